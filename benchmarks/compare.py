"""All benchmarks for several encoders side by side, and the table of it in the documentation.

    python -m benchmarks.compare --data DIR --write docs/benchmarks.md

Every run is kept in `benchmarks/results/cells` until its encoder, its profiles, the data or the command
change: given again, the command goes on where it was stopped, and after a new encoder only that one's runs
are made. A change of the code is not seen: `--again few_shot` makes kept runs of that benchmark once more.
Encoders that did not ship get stock profiles first, by the recipe of those that do (`benchmarks.stock`).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cells import PLANS, plan_cells, result_of, run
from benchmarks.comparison import markdown
from benchmarks.encoders import HELP, load_encoder
from benchmarks.report import tell
from benchmarks.stock import make_stock, outdated, stock_folder
from fewshot_profiles.store import BANK_NAME
from foundation.atomic_file import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.cells import Cell, Plan
    from detectors.encoders import EncoderId

ENCODERS = ("builtin", "mn04", "yamnet")
BEGIN, END = (f"<!-- benchmarks.compare: {which} -->" for which in ("begin", "end"))


def compare(
    plans: Iterable[Plan], encoders: Sequence[str], data: Path, *, quick: bool, again: Sequence[str]
) -> tuple[dict[Cell, Mapping[str, Any]], list[Cell]]:
    """Make the runs that are not there yet; return all results, and the runs that failed."""
    plans = list(plans)
    if any(plan.needs_stock for plan in plans):
        for name in encoders:
            _ensure_stock(name, data)
    identities: dict[str, EncoderId] = {name: load_encoder(name).id for name in encoders}
    cells = plan_cells(plans, identities, data, quick=quick)
    results: dict[Cell, Mapping[str, Any]] = {}
    failed = []
    for number, cell in enumerate(cells, start=1):
        result = None if cell.plan.benchmark in again else result_of(cell)
        tell(f"[{number}/{len(cells)}] {cell}{' (kept)' if result else ''}")
        result = result or run(cell, data)
        if result is None:
            tell(f"failed: python -m {' '.join(cell.command)} --data {data}")
            failed.append(cell)
        else:
            results[cell] = result
    return results, failed


def _ensure_stock(name: str, data: Path) -> None:
    encoder = load_encoder(name)
    if not (stock_folder(encoder.id) / BANK_NAME).is_file():
        tell(f"making stock profiles for {name}: this takes a while, once")
        make_stock(encoder, data)
    elif outdated(encoder.id):
        tell(
            f"the recipe of stock profiles has changed since {name}'s were made: "
            f"`python -m benchmarks.stock --data DIR --encoder {name} --again` makes them anew"
        )


def put_between_marks(document: str, table: str) -> str:
    """Return the document with the table between its marks. Raises ValueError where it has none."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the comparison and return what it found."""
    names = list(dict.fromkeys(plan.benchmark for plan in PLANS))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--encoder", action="append", help=f"{HELP}; default: {' '.join(ENCODERS)}")
    parser.add_argument("--only", action="append", choices=names, help="these benchmarks only")
    parser.add_argument("--again", action="append", choices=names, default=[], help="although it is kept")
    parser.add_argument("--quick", action="store_true", help="a few rows each: for the shape")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the marks in FILE")
    parser.add_argument("--json", action="store_true", help="all results on standard output, not the table")
    options = parser.parse_args(argv)
    encoders = options.encoder or ENCODERS
    plans = [plan for plan in PLANS if not options.only or plan.benchmark in options.only]
    results, failed = compare(plans, encoders, options.data, quick=options.quick, again=options.again)
    table = markdown(results, encoders, quick=options.quick)
    if options.write:
        text = put_between_marks(options.write.read_text(encoding="utf-8"), table)
        write_atomically(options.write, text.encode())
    found = {str(cell): result for cell, result in results.items()}
    print(json.dumps(found, indent=2, ensure_ascii=False) if options.json else table)
    if failed:
        raise SystemExit(
            f"{len(failed)} of {len(results) + len(failed)} runs failed: {', '.join(map(str, failed))}"
        )
    return found


if __name__ == "__main__":
    main()

"""List whose recordings the shipped encoder learnt from.

    python -m training.attributions --data DIR

writes `detectors/encoders/builtin_attributions.csv`, one line for each author, work and licence.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path

from detectors.encoders.builtin import WEIGHTS
from training.recordings import may_teach, read_manifest

ATTRIBUTIONS = WEIGHTS.with_name("builtin_attributions.csv")


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ATTRIBUTIONS)
    options = parser.parse_args()
    rows = [row for row in read_manifest(options.data) if may_teach(row)]
    authors = Counter((row.source, row.licence, row.attribution) for row in rows)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["source", "licence", "attribution", "recordings"])
        writer.writerows([*author, count] for author, count in sorted(authors.items()))
    print(f"{options.out}: {len(rows)} recordings, {len(authors)} attributions")


if __name__ == "__main__":
    main()

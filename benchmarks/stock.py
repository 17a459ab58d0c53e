"""The stock profiles and the background bank of any encoder: builtin's ship, the others' are made once.

    python -m benchmarks.stock --data DIR --encoder mn04

The recipe is the one of what ships (`training.stock_profiles`), so that whole chains can be held side by
side. The profiles of other encoders lie in `benchmarks/results/stock`; nothing but the benchmarks takes them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from contextlib import redirect_stdout
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.encoders import HELP, load_encoder
from benchmarks.report import REPOSITORY, RESULTS
from fewshot_profiles.bank import read_bank
from fewshot_profiles.store import BANK_NAME, STOCK_FOLDER, ProfileStore
from foundation.errors import ProfileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detectors.encoders import Encoder, EncoderId
    from fewshot_profiles.bank import BackgroundBank
    from fewshot_profiles.profile import Profile


RECIPE_NAME = "recipe.sha256"


def stock_folder(encoder: EncoderId) -> Path:
    """Return where the stock profiles of this encoder lie, or would."""
    return STOCK_FOLDER if encoder.name == "builtin" else RESULTS / "stock" / str(encoder)


def read_stock(encoder: EncoderId) -> tuple[tuple[Profile, ...], BackgroundBank]:
    """Return stock profiles and background bank. Raises SystemExit, with the command that makes them."""
    folder = stock_folder(encoder)
    try:
        return ProfileStore([folder]).load(encoder), read_bank(folder / BANK_NAME, encoder)
    except ProfileError as error:
        raise SystemExit(
            f"{error}\nthe stock profiles of {encoder.name} are made by "
            f"`python -m benchmarks.stock --data DIR --encoder {encoder.name}`, where DIR has split=train"
        ) from error


def outdated(encoder: EncoderId) -> bool:
    """Whether the recipe has changed since the stock profiles of this encoder were made."""
    if encoder.name == "builtin":
        return False
    made_by = stock_folder(encoder) / RECIPE_NAME
    return not made_by.is_file() or made_by.read_text(encoding="ascii") != _recipe()


def make_stock(encoder: Encoder, data: Path) -> Path:
    """Make the stock profiles of an encoder that did not ship; return their folder, whole or not there."""
    folder = stock_folder(encoder.id)
    if folder == STOCK_FOLDER:
        raise SystemExit(
            "builtin's stock profiles ship; `python -m training.stock_profiles` makes them again"
        )
    beside = folder.with_name(f".{folder.name}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    from training import stock_profiles

    recipe = _recipe()
    with redirect_stdout(sys.stderr):
        stock_profiles.main(["--data", str(data), "--out", str(beside)], encoder=encoder)
    (beside / RECIPE_NAME).write_text(recipe, encoding="ascii")
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
    return folder


def _recipe() -> str:
    """Return a digest of the code that makes stock profiles."""
    digest = sha256()
    for file in sorted((REPOSITORY / "training").glob("s[ty]*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def main(argv: Sequence[str] | None = None) -> None:
    """Make them, unless they are there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stock", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv, and split=train")
    parser.add_argument("--encoder", required=True, help=HELP)
    parser.add_argument("--again", action="store_true", help="also where they are there")
    options = parser.parse_args(argv)
    encoder = load_encoder(options.encoder)
    folder = stock_folder(encoder.id)
    if options.again or not (folder / BANK_NAME).is_file():
        folder = make_stock(encoder, options.data)
    print(folder)


if __name__ == "__main__":
    main()

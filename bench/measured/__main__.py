"""Hold estimators against recorded maps of measured positions: a page and two pictures."""

import argparse
import warnings
from pathlib import Path

from bench.measured.comparison import EVEN, MapComparisons, compare_recorded
from bench.measured.page import write_page
from bench.measured.pictures import draw_overlaps, draw_reach

ROOT = Path(__file__).resolve().parents[2]

IN_TIME = ("turnover", "open_interest", "volume_profile", "public_convention", "volume_ledger")
IN_REACH = ("turnover", "open_interest", "volume_profile", "public_convention")


def main() -> None:
    """Compare and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.measured", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="where the page goes")
    arguments = parser.parse_args()
    write_all(compare_recorded(arguments.data), arguments.out)
    print(f"wrote {arguments.out / 'measured.md'}")


def write_all(found: MapComparisons, folder: Path) -> None:
    """Write the page and its pictures into a folder."""
    pictures = folder / "measured"
    pictures.mkdir(parents=True, exist_ok=True)
    (folder / "measured.md").write_text(write_page(found), encoding="utf-8")
    if found.wallets:
        drawn = draw_overlaps(found.wallets, (*IN_TIME, EVEN))
        (pictures / "overlap_by_time.svg").write_text(drawn, encoding="utf-8")
    if found.population is not None:
        drawn = draw_reach(found.population, IN_REACH)
        (pictures / "reach_all_accounts.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("error", RuntimeWarning)
    main()

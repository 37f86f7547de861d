"""Run the study on a folder of recordings: page, pictures, and on request the fits that ship."""

import argparse
import warnings
from pathlib import Path

import numpy as np

from bench.accuracy.page import NULLS_SHOWN, write_page
from bench.accuracy.pictures import draw_gains, draw_months, draw_reliability
from bench.accuracy.protocol import FORECAST
from bench.accuracy.shipping import make_fits, write_shipped
from bench.accuracy.study import PAIRS, Dates, Study, run_study

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Run the study and write what it found."""
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="where the page goes")
    parser.add_argument("--fit-until", type=_instant, help="first way: fit before this day (UTC)")
    parser.add_argument("--test-from", type=_instant, help="and test from this day on")
    parser.add_argument("--test-until", type=_instant, help="up to this day")
    parser.add_argument("--four-hour-fit-days", type=int, default=75, help="4 h: days to fit")
    parser.add_argument(
        "--ship", action="store_true", help="also write transforms/ledger/shipped_fits.json"
    )
    arguments = parser.parse_args()
    dates = Dates(
        arguments.fit_until,
        arguments.test_from,
        arguments.test_until,
        arguments.four_hour_fit_days,
    )
    study = run_study(arguments.data, dates)
    write_all(study, arguments.out)
    print(f"wrote {arguments.out / 'accuracy.md'}")
    if arguments.ship:
        path = ROOT / "transforms" / "ledger" / "shipped_fits.json"
        write_shipped(make_fits(study.pool_rows), study.pool_rows, path)
        print(f"wrote {path}")


def write_all(study: Study, folder: Path) -> None:
    """Write the page and its pictures into a folder."""
    (folder / "accuracy").mkdir(parents=True, exist_ok=True)
    (folder / "accuracy.md").write_text(write_page(study), encoding="utf-8")
    hourly = study.hourly
    if hourly is None:
        return
    shown = ("volume_ledger", FORECAST, "turnover", "public_convention", "extension_glm")
    pictures = {
        "reliability": draw_reliability({name: hourly.reliabilities[name] for name in shown}),
        "ratio_by_month": draw_months(hourly.months, list(hourly.months[0].ratio)),
        "gain_by_null": draw_gains(
            {name: [(null, hourly.together[name, null]) for null in NULLS_SHOWN] for name in PAIRS}
        ),
    }
    for name, picture in pictures.items():
        (folder / "accuracy" / f"{name}.svg").write_text(picture, encoding="utf-8")


def _instant(day: str) -> int:
    """Return the start of a day [microseconds since 1970, UTC]."""
    return int(np.datetime64(day, "us").astype(np.int64))


if __name__ == "__main__":
    warnings.simplefilter("error", RuntimeWarning)
    main()

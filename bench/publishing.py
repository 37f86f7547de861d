"""Publications under readers: what readers of the file and of the Parquet see meanwhile.

A small simulated market is built once; then a day of it is published again and again, while
processes open the published file and list the Parquet as fast as they can. What is published says
the same each time, so that every answer but the first is an error, a torn or a double one. Run it
from the project root with

    .venv/bin/python -m bench.publishing [--publications 50] [--files 6] [--parquets 2]
"""

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench import END, HOUR, MARKET, START, records_of, workshop
from workbench.readers import reading

from transforms.estimators import ESTIMATORS
from warehouse.connect import transaction
from warehouse.parquet_by_day import changed_days
from warehouse.publication import publication

EVERYTHING = datetime(2000, 1, 1, tzinfo=UTC)


def main() -> None:
    """Publish under readers and print what they saw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--publications", type=int, default=50)
    parser.add_argument("--files", type=int, default=6, help="readers of the published file")
    parser.add_argument("--parquets", type=int, default=2, help="readers of the Parquet")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="publishing-") as folder, workshop(Path(folder)) as shop:
        published = shop.settings.published

        def publish() -> None:
            with publication(
                shop.connection,
                published,
                window_start=EVERYTHING,
                published_at=datetime.now(UTC),
            ) as made:
                made.fill()
                made.write_days(changed_days(shop.connection), threads=2)
                with transaction(shop.connection):
                    made.record()
                made.swap_in()

        shop.take_in(records_of(MARKET))
        shop.build(END, [ESTIMATORS["turnover"]])
        publish()
        began = time.monotonic()
        with reading(published, files=arguments.files, parquets=arguments.parquets) as seen:
            for _ in range(arguments.publications):
                shop.connection.execute(
                    "insert into meta.pending_publish values (?)", [(START + 30 * HOUR).date()]
                )
                publish()
        seconds = time.monotonic() - began
    errors = [error for one in seen for error in one.errors]
    wrong = sum(len(one.answers) - 1 for one in seen)
    print(
        f"{arguments.publications} publications in {seconds:.0f} s under {len(seen)} readers, "
        f"{sum(one.reads for one in seen)} reads: {len(errors)} errors, {wrong} torn or double"
    )
    for error in errors[:5]:
        print(f"  {error}")
    sys.exit(bool(errors or wrong))


if __name__ == "__main__":
    main()

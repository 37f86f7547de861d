"""The published file in other releases of DuckDB, each in an environment of its own.

Every release opens the file as a client in New York without pytz does, and answers the same; what
is printed is what docs/decisions/0041-shapes-for-bi-tools.md states.

    .venv/bin/python -m bench.clients PUBLISHED.duckdb [--releases 1.4 1.5 2.0]
"""

import argparse
import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

STATEMENTS = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
connection.execute("set timezone = 'America/New_York'")
for sql in (
    "select asset, as_of, grade, reasons_text from marts.assets order by asset limit 1",
    "select count(*), min(as_of), max(as_of) from marts.liquidation_heatmap_hourly",
    "select count(*) from marts.liquidation_heatmap_newest",
):
    print(connection.execute(sql).fetchall())
print(connection.sql("select max(as_of) as newest from marts.assets").df().newest[0])
print(duckdb.__version__, "pytz" in sys.modules, file=sys.stderr)
"""


def main() -> None:
    """Run the same statements in every release, and fail where the answers differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--releases", nargs="+", default=["1.4", "1.5", "2.0"])
    arguments = parser.parse_args()
    answers = set()
    with TemporaryDirectory(prefix="clients-") as folder:
        for release in arguments.releases:
            home = Path(folder) / release
            venv.create(home, with_pip=True)
            python = home / "bin" / "python"
            install = [python, "-m", "pip", "install", "-q", f"duckdb~={release}.0", "pandas"]
            subprocess.run(install, check=True)  # noqa: S603  (names of releases)
            run = subprocess.run(  # noqa: S603  (the statements above)
                [python, "-c", STATEMENTS, arguments.file.resolve()],
                check=True,
                text=True,
                capture_output=True,
            )
            answers.add(run.stdout)
            print(f"{run.stderr.strip()}\n{run.stdout}", flush=True)
    sys.exit(len(answers) != 1)


if __name__ == "__main__":
    main()

"""docs/bi/postgres.md: every SQL block runs, in order, on a database with a publication."""

import re
import textwrap
from pathlib import Path

from workbench.outlet import Publications, copy

PAGE = Path(__file__).parents[3] / "docs" / "bi" / "postgres.md"
BLOCK = re.compile(r"^( *)```sql\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def test_every_sql_block_of_the_page_runs(postgres, tmp_path):
    blocks = [textwrap.dedent(found[2]) for found in BLOCK.finditer(PAGE.read_text())]
    assert len(blocks) == 8
    publications = Publications(tmp_path)
    publications.publish({"2026-01-10 23:00": 1.0})
    database = postgres.make_database()
    copy(postgres.url(database), publications)
    rows = [postgres.run(database, *block.rstrip(";\n").split(";\n"), user="postgres")
            for block in blocks]  # fmt: skip
    role, publication, assets, heatmap, forced, reasons, day, _ = rows
    try:
        assert role == []
        assert publication[0][0] == "publication-1"
        assert len(assets) == len({row[0] for row in assets}) == 2
        assert {row[2] for row in reasons} == {"a:b"}
        assert day[0][0] > 0
        assert isinstance(heatmap, list)
        assert isinstance(forced, list)
        assert postgres.run(database, "select to_regclass('marts.assets')") == [(None,)]
    finally:
        postgres.run("postgres", "drop role liqheat_publisher")

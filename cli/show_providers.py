"""`liqheat providers`: whose maps are published, their source, unit, coverage and age."""

from cli.arguments import Rows, exit_on_error
from cli.figures import percent
from cli.output import Format, print_table
from cli.published import Row, read_rows, write_all
from jobs.settings import read_settings

_COLUMNS = (
    "provider",
    "from",
    "counts",
    "assets",
    "venues",
    "hours",
    "newest",
    "covers",
    "observed",
)


def providers_command(form: Rows = Format.table) -> None:
    """List the providers of maps: source, unit, coverage of prices and positions, age."""
    with exit_on_error():
        columns, rows = read_rows(read_settings(), "providers")
        if form is not Format.table:
            write_all(columns, rows, form)
            return
        print_table(
            "providers of maps in the published file",
            _COLUMNS,
            map(_cells, rows),
            words=_COLUMNS[:3],
            notes=(
                "counts: standing is all open positions, opened only those opened within a "
                "look-back; relative has no scale, only its shape compares.",
                "covers: share of the 20 % either side of price with any figure. "
                "observed: share of open interest, where positions are measured.",
            ),
        )


def _cells(row: Row) -> list[str]:
    return [
        row["provider"],
        row["from"],
        f"{row['semantics']}, {row['unit']}",
        str(len(row["assets"])),
        str(len([venue for venue in row["venues"] if venue != "all"]) or "all"),
        f"{row['asset_hours'] / len(row['assets']):,.0f}",
        f"{row['newest_capture'] or row['newest']:%Y-%m-%d %H:%M}",
        percent(1.0 if row["covered_ratio"] is None else row["covered_ratio"]),
        percent(row["observed_ratio"], ".1f"),
    ]

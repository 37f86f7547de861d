"""`liqheat providers`: whose maps are published, their source, unit, coverage and age."""

from cli.arguments import Rows
from cli.output import Format, print_table
from cli.published import Row, read_rows, write_all
from jobs.read.figures import percent
from jobs.settings import read_settings


def providers_command(form: Rows = Format.table) -> None:
    """List the providers of maps: source, unit, coverage of prices and positions, age."""
    columns, rows = read_rows(read_settings(), "providers")
    if form is not Format.table:
        write_all(columns, rows, form)
        return
    print_table(
        "providers of maps in the published file",
        [_cells(row) for row in rows],
        words=("provider", "from", "counts"),
        notes=(
            "counts: standing is all open positions, opened only those opened within a "
            "look-back, expected_realised what would be liquidated and published if price went "
            "there; relative has no scale, only its shape compares.",
            "covers: share of the 20 % either side of price with any figure. "
            "observed: share of open interest, where positions are measured; within 1 h: share "
            "of them, by size, seen in the hour before the newest map.",
        ),
    )


def _cells(row: Row) -> dict[str, str]:
    return {
        "provider": row["provider"],
        "from": row["from"],
        "counts": f"{row['semantics']}, {row['unit']}",
        "assets": str(len(row["assets"])),
        "venues": str(len([venue for venue in row["venues"] if venue != "all"]) or "all"),
        "hours": f"{row['asset_hours'] / len(row['assets']):,.0f}",
        "newest": f"{row['newest_capture'] or row['newest']:%Y-%m-%d %H:%M}",
        "covers": percent(1.0 if row["covered_ratio"] is None else row["covered_ratio"]),
        "observed": percent(row["observed_ratio"], ".1f"),
        "within 1 h": percent(row["within_hour_ratio"]),
    }

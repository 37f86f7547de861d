"""`liqheat accuracy`: how right the models of an asset have been, against the path of price."""

from cli.arguments import AsOfPublished, Asset, Rows, published_hour
from cli.output import Format, print_table
from cli.published import write_all
from jobs.settings import read_settings


def accuracy_command(asset: Asset, form: Rows = Format.table, as_of: AsOfPublished = None) -> None:
    """Show how right each model has been on an asset, out of sample, and against what."""
    from jobs.read.accuracy import choose_provider, read_accuracy, verdict
    from jobs.read.skill_words import NULL_HEADERS, held_note, outlook_note, skill_cells

    settings, asset, until = read_settings(), asset.upper(), published_hour(as_of)
    accuracy = read_accuracy(settings, asset, until)
    if form is not Format.table:
        write_all(tuple(accuracy.rows[0]), [dict(row) for row in accuracy.rows], form)
        return
    days = accuracy.window_days
    window = "up" if days is None else f"{days} days"
    print_table(
        f"{asset}, {window} to {accuracy.as_of:%Y-%m-%d %H:%M} UTC: of the deviance that a null "
        "leaves in published liquidations, the share that each model removes",
        [skill_cells(accuracy, provider) for provider in accuracy.providers],
        columns=("model", *NULL_HEADERS.values(), "longs", "shorts", "in interval"),
        words=("model",),
        notes=(
            *verdict(accuracy),
            *outlook_note(accuracy.outlook),
            *held_note(accuracy.outlook_held),
            f"map shown by default: {choose_provider(settings, asset, until).reason}.",
            "in brackets: 95 % interval. longs, shorts: expected / published USD. "
            "in interval: hours within the 80 % interval. Every model is given the same constant, "
            "move and capture, and the path of price in the hour.",
        ),
    )

"""What readers saw first stays readable, whatever a later publication makes of an hour."""

import random
import shutil

import duckdb
from workbench import HOUR, START
from workbench.publishing import (
    EVERYTHING,
    mark_day_changed,
    publication_of,
    publish_all,
)

from warehouse.as_published import as_published_relations, kept_relations, replaced_table

HOUR_3 = START + 3 * HOUR
MAP = "asset = 'BTC' and provider = 'turnover' and venue = 'all' and side = 'long'"


def change(shop, values, where=MAP, at=HOUR_3, table="derived.heatmap"):
    """Set columns of stored rows of an hour, as late data would."""
    shop.connection.execute(f"update {table} set {values} where {where} and as_of = ?", [at])
    shop.connection.execute("insert into meta.pending_publish values (?)", [at.date()])


def rows_of(path, sql, *parameters):
    with duckdb.connect(str(path), read_only=True) as reader:
        return reader.execute(sql, list(parameters)).fetchall()


def first_map(path, at=HOUR_3):
    return rows_of(
        path,
        "select price, liquidation_usd, first_published_at, replaced_at, is_kept "
        f"from as_published.liquidation_heatmap_arrays where {MAP} and as_of = ?",
        at.replace(tzinfo=None),
    )


def publications(path):
    """Return (published_at, id) of the file."""
    return rows_of(path, "select published_at(), publication_id()")[0]


def test_what_was_published_first_wins_over_later_changes(published):
    shop, path = published
    ((price, usd, first_at, replaced_at, _),) = first_map(path)
    assert (replaced_at, first_at) == (None, publications(path)[0])
    at = []
    for new_price in (1.0, 2.0, 3.0):
        change(shop, f"price = {new_price}")
        path, _ = publish_all(shop)
        at.append(publications(path)[0])
    assert first_map(path) == [(price, usd, first_at, at[0], True)]
    hours = rows_of(
        path,
        "select change_count, last_changed_at, first_published_at from marts.published_hours "
        "where asset = 'BTC' and as_of = ?",
        HOUR_3.replace(tzinfo=None),
    )
    assert hours == [(3, at[-1], first_at)]
    shown = rows_of(
        path,
        "select distinct price, replaced_at from as_published.liquidation_heatmap_hourly "
        f"where {MAP} and as_of = ?",
        HOUR_3.replace(tzinfo=None),
    )
    assert shown == [(price, at[0])]


def test_a_publication_of_the_same_rows_keeps_nothing(published):
    shop, path = published
    mark_day_changed(shop)
    shop.connection.execute("update derived.heatmap set run_id = 'another'")
    path, _ = publish_all(shop)
    # Made anew, too.
    shop.connection.execute("update meta.publication set form_sha256 = 'of last year'")
    path, _ = publish_all(shop)
    for relation in kept_relations():
        assert rows_of(path, f"select count(*) from {replaced_table(relation)}") == [(0,)]
    assert rows_of(path, "select count(*) from marts.published_changes") == [(0,)]
    assert not list(shop.settings.published.glob("replaced/*/*/*"))


def test_every_view_has_the_rows_of_its_relation_until_something_changes(published):
    _, path = published
    for relation in as_published_relations():
        name = relation.name.split(".")[1]
        schema = "quality" if name == "check_results" else "marts"
        columns = ", ".join(f'"{column.name}"' for column in relation.columns[:-3])
        assert rows_of(
            path,
            f"select count(*) from (select {columns} from {relation.name} except all "
            f"select {columns} from {schema}.{name})",
        ) == [(0,)], relation.name
        assert rows_of(path, f"select count(*) from {schema}.{name}") == rows_of(
            path, f"select count(*) from {relation.name}"
        )


def test_nan_lists_and_infinity_are_equal_to_themselves_and_differ_from_others(shop):
    change(shop, "liquidation_usd = ['nan'::float, 1, 'inf'::float]")
    change(shop, "start_up_usd = null", at=HOUR_3)
    path, _ = publish_all(shop)
    change(shop, "liquidation_usd = ['nan'::float, 1, 'inf'::float]")
    path, _ = publish_all(shop)
    assert [row[3] for row in first_map(path)] == [None]
    # An empty list is not NULL, and a list of NULL is neither.
    for value in ("[]", "[null]", "null", "['nan'::float]"):
        change(shop, f"start_up_usd = {value}::float[]")
        path, _ = publish_all(shop)
    count = "select count(*) from marts.published_changes where provider = 'turnover'"
    assert rows_of(path, count) == [(4,)]
    assert [row[3] is not None for row in first_map(path)] == [True]


def test_a_row_that_vanishes_and_one_that_comes_late(published):
    shop, path = published
    first_at = publications(path)[0]
    stored = shop.rows(f"from derived.heatmap where {MAP} and as_of = '{HOUR_3.isoformat()}'")
    shop.connection.execute(
        f"create temp table gone as from derived.heatmap where {MAP} and as_of = ?", [HOUR_3]
    )
    assert len(stored) == 1
    shop.connection.execute(f"delete from derived.heatmap where {MAP} and as_of = ?", [HOUR_3])
    change(shop, "price = price")
    path, _ = publish_all(shop)
    removed_at = publications(path)[0]
    ((price, _, at, replaced_at, _),) = first_map(path)
    assert (at, replaced_at) == (first_at, removed_at)
    # It comes back, with another provider's beside it.
    shop.connection.execute("insert into derived.heatmap from gone")
    shop.connection.execute(
        "insert into derived.heatmap select * replace ('late' as provider) from gone"
    )
    change(shop, "price = price + 1")
    path, _ = publish_all(shop)
    back_at = publications(path)[0]
    assert [(row[0], row[3]) for row in first_map(path)] == [(price, removed_at)]
    late = "select first_published_at, replaced_at from as_published.liquidation_heatmap_arrays "
    assert rows_of(path, f"{late} where provider = 'late'") == [(back_at, None)]
    # What came late is then corrected: it keeps the instant at which it came.
    change(shop, "price = price + 1", where="provider = 'late'")
    path, _ = publish_all(shop)
    assert rows_of(path, f"{late} where provider = 'late'") == [(back_at, publications(path)[0])]
    changes = rows_of(
        path,
        "select replaced_row_count, removed_row_count, added_row_count from "
        "marts.published_changes where provider = 'turnover' and "
        "contains(relations, 'heatmap_arrays') order by published_at",
    )
    assert changes == [(0, 1, 0), (0, 0, 1)]


def test_what_is_filled_in_as_time_passes_is_no_change(shop):
    view = shop.one("select sql from duckdb_views() where view_name = 'market_context_hourly'")
    select = view[view.index(" AS ") + 4 :].rstrip().rstrip(";")
    name = "realised_long_liquidation_usd"

    def publish_with(value):
        shop.connection.execute(
            "create or replace view marts.market_context_hourly as select * replace ("
            f"if(as_of = '{HOUR_3.isoformat()}', {value}, {name}) as {name}) from ({select})"
        )
        change(shop, "price = price")
        path, _ = publish_all(shop)
        ((amount, replaced_at),) = rows_of(
            path,
            f"select {name}, replaced_at from as_published.market_context_hourly "
            "where asset = 'BTC' and as_of = ?",
            HOUR_3.replace(tzinfo=None),
        )
        return amount, replaced_at is not None

    assert publish_with("null::double") == (None, False)
    assert publish_with("5.0") == (5.0, False)
    # The amount is then corrected.
    assert publish_with("7.0") == (5.0, True)


def test_kept_rows_survive_a_lost_file_and_a_warehouse_made_again(published):
    shop, path = published
    change(shop, "price = 1")
    path, _ = publish_all(shop)
    expected = first_map(path)
    hours = rows_of(path, "from marts.published_hours order by all")
    changes = rows_of(path, "from marts.published_changes order by all")
    assert expected[0][3] is not None
    path.unlink()
    path, _ = publish_all(shop)
    assert first_map(path) == expected
    # As `liqheat rebuild` leaves it.
    for name in ("publication", "published_hour", "published_change"):
        shop.connection.execute(f"delete from meta.{name}")
    path, _ = publish_all(shop)
    assert first_map(path) == expected
    for name in ("publication", "published_hour", "published_change"):
        shop.connection.execute(f"delete from meta.{name}")
    shutil.rmtree(path.parent / "versions")
    path.unlink()
    path, _ = publish_all(shop)
    assert first_map(path) == expected
    assert rows_of(path, "from marts.published_hours order by all") == hours
    assert rows_of(path, "from marts.published_changes order by all") == changes


def test_kept_rows_come_back_with_a_window_that_begins_earlier_again(published):
    shop, _ = published
    change(shop, "price = 1")
    path, _ = publish_all(shop)
    expected = first_map(path)
    assert expected[0][3] is not None
    tables = [replaced_table(relation) for relation in kept_relations()]
    counts = {name: rows_of(path, f"select count(*) from {name}") for name in tables}
    path, _ = publish_all(shop, START + 10 * HOUR)
    assert first_map(path) == []
    path, _ = publish_all(shop)
    assert first_map(path) == expected
    # Nor are the other rows of these hours taken for late ones.
    assert {name: rows_of(path, f"select count(*) from {name}") for name in tables} == counts


def test_a_publication_killed_after_a_rebuild_and_a_lost_file_leaves_the_records(
    published, monkeypatch
):
    shop, path = published
    hours = rows_of(path, "from marts.published_hours order by all")
    for name in ("publication", "published_hour", "published_change"):
        shop.connection.execute(f"delete from meta.{name}")
    shutil.rmtree(path.parent / "versions")
    path.unlink()
    with publication_of(shop) as made:
        made.fill()
        made.discard()
    path, _ = publish_all(shop)
    assert rows_of(path, "from marts.published_hours order by all") == hours


def test_a_killed_publication_leaves_no_trace(published, killed_before_link):
    shop, path = published
    first = first_map(path)
    change(shop, "price = 1")
    killed_before_link(publish_all, shop)
    assert shop.one("select count(*) from meta.published_change") > 0
    # What was about to be published is not what people come to see.
    change(shop, "price = 2")
    path, _ = publish_all(shop)
    at, publication_id = publications(path)
    assert first_map(path) == [(*first[0][:3], at, True)]
    assert rows_of(path, "select distinct publication_id from marts.published_changes") == [
        (publication_id,)
    ]
    again = rows_of(path, "select count(*) from replaced.liquidation_heatmap_arrays")
    mark_day_changed(shop)
    path, _ = publish_all(shop)
    assert rows_of(path, "select count(*) from replaced.liquidation_heatmap_arrays") == again


def test_beyond_its_share_hours_are_recorded_and_not_kept(published, caplog):
    shop, _ = published
    change(shop, "price = price + 1", where="asset = 'BTC'")
    path, _ = publish_all(shop, EVERYTHING, kept_share=0.0)
    assert "rows as first published are not kept" in caplog.text
    at = HOUR_3.replace(tzinfo=None)
    lost = rows_of(
        path,
        "select asset, provider, price, is_kept from as_published.liquidation_heatmap_arrays "
        "where as_of = ?",
        at,
    )
    assert lost == [("BTC", None, None, False)]
    assert rows_of(
        path,
        "select count(*) from as_published.liquidation_heatmap_hourly where as_of = ?",
        at,
    ) == [(0,)]
    assert rows_of(
        path,
        "select is_kept from marts.published_hours where asset = 'BTC' and as_of = ?",
        at,
    ) == [(False,)]
    # Rows that were kept later are not taken for the first ones.
    change(shop, "price = price + 1", where="asset = 'BTC'")
    path, _ = publish_all(shop)
    assert rows_of(
        path,
        "select count(*) from as_published.liquidation_heatmap_arrays where as_of = ?",
        at,
    ) == [(1,)]


def make_of_last_year(shop, path, statements):
    """Change the published file into one of an earlier release, which the warehouse knows."""
    version = path.resolve()
    version.chmod(0o644)
    with duckdb.connect(str(version)) as writer:
        writer.execute(statements)
    path.unlink()
    path.symlink_to(version.relative_to(path.parent))
    shop.connection.execute("update meta.publication set form_sha256 = 'of last year'")


def test_a_version_of_a_release_with_other_columns_is_compared_in_those_that_both_have(published):
    shop, path = published
    first = first_map(path)
    make_of_last_year(
        shop,
        path,
        "drop view as_published.liquidation_heatmap_hourly; "
        "drop view marts.liquidation_heatmap_hourly; "
        "alter table marts.liquidation_heatmap_arrays drop column start_up_usd; "
        "alter table marts.liquidation_heatmap_arrays add column old_name integer; "
        "create or replace macro form_sha256() as 'of last year'",
    )
    change(shop, "price = 1")
    path, _ = publish_all(shop)
    assert first_map(path) == [(*first[0][:3], publications(path)[0], True)]
    reasons = rows_of(path, "select distinct reason from marts.published_changes")
    assert reasons == [("release",)]


def test_a_version_of_a_release_without_maps_as_arrays_is_gone_on_from(published):
    shop, path = published
    hours = rows_of(path, "from marts.published_hours order by all")
    make_of_last_year(
        shop,
        path,
        "drop view as_published.liquidation_heatmap_hourly; "
        "drop view as_published.liquidation_heatmap_arrays; "
        "drop view marts.liquidation_heatmap_hourly; "
        "drop table marts.liquidation_heatmap_arrays",
    )
    path, _ = publish_all(shop)
    assert rows_of(path, "from marts.published_hours order by all") == hours
    # Readers see the maps from now on, and nothing that they had seen has changed.
    ((_, _, first_at, replaced_at, _),) = first_map(path)
    assert (first_at, replaced_at) == (publications(path)[0], None)
    assert rows_of(path, "select count(*) from marts.published_changes") == [(0,)]


def test_as_published_equals_a_plain_record_of_what_each_publication_held(shop):
    """Random changes, losses and kills against a dictionary of what readers saw first."""
    draw = random.Random(5)  # noqa: S311  (a test's draws)
    seen = {}
    key = ("asset", "as_of", "provider", "venue", "side")
    columns = ", ".join(key)
    keys = shop.rows(f"select {columns} from derived.heatmap where as_of <= '{HOUR_3.isoformat()}'")
    shop.connection.execute("create temp table spare as from derived.heatmap limit 0")
    for _ in range(6):
        for one in draw.sample(keys, 4):
            of_row = " and ".join(f"{name} = ?" for name in key)
            values = list(one)
            action = draw.choice(["price", "list", "delete", "insert"])
            if action == "price":
                new = draw.choice(["1.0", "2.0", "'nan'::double"])
                shop.connection.execute(
                    f"update derived.heatmap set price = {new} where {of_row}", values
                )
            elif action == "list":
                new = draw.choice(["[]", "[1, 2]", "['nan'::float]"])
                shop.connection.execute(
                    f"update derived.heatmap set liquidation_usd = {new} where {of_row}", values
                )
            elif action == "delete":
                shop.connection.execute(
                    f"insert into spare from derived.heatmap where {of_row}", values
                )
                shop.connection.execute(f"delete from derived.heatmap where {of_row}", values)
            else:
                # A row that was deleted comes back, and one of another provider comes late.
                shop.connection.execute(
                    f"insert into derived.heatmap from spare where {of_row} and not exists "
                    f"(from derived.heatmap where {of_row}) limit 1",
                    [*values, *values],
                )
                shop.connection.execute(
                    "insert into derived.heatmap select * replace ('late' as provider) "
                    f"from derived.heatmap where {of_row} and not exists (from derived.heatmap "
                    "as own where own.provider = 'late' and own.asset = ? and own.as_of = ? "
                    "and own.venue = ? and own.side = ?)",
                    [*values, values[0], values[1], values[3], values[4]],
                )
        change(shop, "price = price")
        event = draw.choice(["none", "none", "anew", "discarded"])
        if event == "anew":
            shop.connection.execute("update meta.publication set form_sha256 = 'another'")
        elif event == "discarded":
            with publication_of(shop) as made:
                made.fill()
                made.discard()
        path, _ = publish_all(shop)
        at = publications(path)[0]
        content = "price::varchar, first_bin_index, liquidation_usd::varchar"
        now = {
            row[:5]: row[5:]
            for row in rows_of(
                path, f"select {columns}, {content} from marts.liquidation_heatmap_arrays"
            )
        }
        for row, (value, first_at, replaced_at) in seen.items():
            if replaced_at is None and now.get(row) != value:
                seen[row] = (value, first_at, at)
        for row, value in now.items():
            seen.setdefault(row, (value, at, None))
        published = {
            row[:5]: (row[5:8], *row[8:])
            for row in rows_of(
                path,
                f"select {columns}, {content}, first_published_at, replaced_at "
                "from as_published.liquidation_heatmap_arrays",
            )
        }
        assert published == seen
    assert any(replaced_at for _, _, replaced_at in seen.values())
    assert len({first_at for _, first_at, _ in seen.values()}) > 1

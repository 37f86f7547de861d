"""What is published is copied to PostgreSQL: whole, once, in one transaction."""

import threading

import pytest
from workbench.outlet import ASSETS, Publications, copy, differences, held, kill_copies
from workbench.postgres_server import PASSWORD

from warehouse.contracts import relations
from warehouse.errors import NotPublished, OutletRejected, OutletUnavailable
from warehouse.postgres import outlet_tables
from warehouse.postgres.outlet_tables import OutletBounds

DAYS = [f"2026-01-{day:02d}" for day in range(1, 11)]
HOURS = {f"{day} 23:00": 1.0 for day in DAYS} | {f"{DAYS[-1]} 22:00": 1.0}
MAP = "marts.liquidation_heatmap_hourly"


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Return a first publication."""
    published = Publications(tmp_path_factory.mktemp("published"))
    published.publish(HOURS)
    return published


@pytest.fixture(scope="module")
def template(postgres, first):
    """Return the name of a database with the first publication; tests copy it."""
    name = postgres.make_database()
    copy(postgres.url(name), first)
    return name


@pytest.fixture
def publications(first, tmp_path):
    """Return the first publication, to go on from."""
    return first.copied(tmp_path / "published")


@pytest.fixture
def empty(postgres):
    """Return the name of an empty database."""
    return postgres.make_database()


@pytest.fixture
def database(postgres, template):
    """Return the name of a database with the first publication."""
    return postgres.make_database(like=template)


@pytest.fixture
def url(postgres, database):
    return postgres.url(database)


def test_every_small_mart_is_copied_whole_and_the_map_within_bounds(postgres, empty, publications):
    report = copy(postgres.url(empty), publications)
    assert held(postgres, empty) == report.publication_id == "publication-1"
    assert differences(postgres, empty, publications.link) == []
    # Two bins of three are near enough, of all venues together, in the last week of two assets.
    last_week = [hour for hour in HOURS if hour > "2026-01-03 23:59"]
    rows = postgres.run(
        empty, f"select as_of, asset, bin_index from {MAP} order by as_of, bin_index, asset"
    )
    assert len(rows) == 3 * 2 * len(last_week)
    assert {row[2] for row in rows} == {-1, 0, 90}
    assert {row[1] for row in rows} == set(ASSETS)
    by_hour = postgres.run(empty, "select count(*) from marts.market_context_hourly")
    assert by_hour == [(2 * len(HOURS),)]


def test_what_the_pipeline_publishes_is_copied(postgres, empty, small_home):
    link = small_home / "published" / "liqheat.duckdb"
    report = copy(postgres.url(empty), link)
    assert differences(postgres, empty, link) == []
    assert report.row_count > 1000
    assert report.publication_id == link.resolve().parent.name


def test_types_keys_and_comments_are_those_of_the_contracts(postgres, database, url, publications):
    columns = dict(
        postgres.run(
            database,
            "select table_name || '.' || column_name, data_type from information_schema.columns "
            "where table_schema = 'marts'",
        )
    )
    assert columns["liquidation_heatmap_hourly.as_of"] == "timestamp with time zone"
    assert columns["liquidation_heatmap_hourly.liquidation_usd"] == "real"
    assert columns["asset_quality_hourly.reasons"] == "jsonb"
    ((comment,),) = postgres.run(database, f"select obj_description('{MAP}'::regclass, 'pg_class')")
    assert comment == relations()[MAP].description
    comments = postgres.run(
        database,
        f"select attname, col_description('{MAP}'::regclass, attnum) from pg_attribute "
        f"where attrelid = '{MAP}'::regclass and attnum > 0",
    )
    assert dict(comments) == {each.name: each.comment for each in relations()[MAP].columns}
    key = postgres.run(
        database,
        "select pg_get_constraintdef(oid) from pg_constraint "
        f"where conrelid = '{MAP}'::regclass and contype = 'p'",
    )
    assert key == [(f"PRIMARY KEY ({', '.join(relations()[MAP].grain)})",)]
    reason = postgres.run(
        database, "select reasons -> 0 ->> 'name' from marts.asset_quality_hourly limit 1"
    )
    assert reason == [("a:b",)]


def test_one_more_hour_copies_that_hour(postgres, database, url, publications):
    again = copy(url, publications)
    assert (again.row_count, again.slice_count) == (0, 0)
    hours = HOURS | {"2026-01-11 00:00": 2.0}
    del hours["2026-01-01 23:00"]
    publications.publish(hours)
    report = copy(url, publications)
    assert differences(postgres, database, publications.link) == []
    # An hour of each relation came, one left, and those without hours were replaced.
    hourly = [each for each in outlet_tables.outlet_relations(OutletBounds()) if each.is_hourly]
    copied = postgres.run(
        database,
        "select relation, count(*) from liqheat.slice where slice >= '2026-01-11' group by 1",
    )
    assert {name for name, _ in copied} == {each.name for each in hourly}
    assert report.row_count < 200


def test_late_data_of_an_older_day_are_copied(postgres, database, url, publications):
    publications.publish(HOURS | {"2026-01-05 23:00": 3.0, "2026-01-02 23:00": 4.0})
    publications.publish({**HOURS, "2026-01-05 23:00": 3.0})
    # A publication in between may be missed.
    copy(url, publications)
    assert differences(postgres, database, publications.link) == []


def test_hours_that_are_gone_are_deleted(postgres, database, url, publications):
    publications.publish({"2026-01-08 00:00": 1.0})
    copy(url, publications)
    assert differences(postgres, database, publications.link) == []
    publications.publish({})
    copy(url, publications)
    assert differences(postgres, database, publications.link) == []


def test_other_bounds_copy_the_map_again(postgres, database, url, publications):
    for bounds in (OutletBounds(9, 0.3), OutletBounds(1, 0.05)):
        copy(url, publications, bounds)
        assert differences(postgres, database, publications.link, bounds) == []


def test_readers_see_one_publication_or_the_next(postgres, database, url, publications):
    expected = {"publication-1": 1.0}
    seen, errors, done = set(), [], threading.Event()

    def read():
        while not done.is_set():
            try:
                rows = postgres.run(
                    database,
                    "select (select publication_id from liqheat.publication), "
                    f"(select max(liquidation_usd) / 7 from {MAP}), "
                    "(select max(price_low) from marts.liquidation_bands_hourly)",
                )
                seen.add(rows[0][:2])
            except Exception as exc:  # noqa: BLE001  (any error is one too many)
                errors.append(exc)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(2, 5):
        name = publications.publish(dict.fromkeys(HOURS, float(number)))
        expected[name] = float(number)
        copy(url, publications)
    done.set()
    reader.join()
    assert errors == []
    assert seen <= set(expected.items())
    assert len(seen) >= 2


def test_a_copy_killed_anywhere_leaves_the_last_publication(postgres, database, url, publications):
    publications.publish(dict.fromkeys(HOURS, 2.0))
    assert kill_copies(url, postgres, database, publications, [2, 9, 40, 90]) == 4
    copy(url, publications)
    assert differences(postgres, database, publications.link) == []


def test_two_publishers_exclude_each_other(postgres, database, url, publications, monkeypatch):
    from warehouse.postgres import server_session

    monkeypatch.setattr(server_session, "_PAUSES", (0.0, None))
    publications.publish(dict.fromkeys(HOURS, 2.0))
    refused = []
    find = outlet_tables.prepare_tables

    async def meanwhile(*given):
        if not refused:
            refused.append("once")
            import asyncio

            with pytest.raises(OutletUnavailable, match="another liqheat publishes") as caught:
                await asyncio.to_thread(copy, url, publications)
            refused.append(str(caught.value))
        return await find(*given)

    monkeypatch.setattr("warehouse.postgres.outlet.prepare_tables", meanwhile)
    copy(url, publications)
    assert "wait for it" in refused[1]
    assert differences(postgres, database, publications.link) == []


def test_tables_of_an_older_release_are_migrated_and_views_of_them_stay(
    postgres, database, url, publications
):
    postgres.run(
        database,
        f"alter table {MAP} drop column unit, add column old_usd double precision not null "
        "default 0, drop column params_hash, add column params_hash integer",
        f"update liqheat.relation set form_sha256 = 'older' where relation = '{MAP}'",
        "create table marts.gone_hourly (as_of timestamptz)",
        "alter table marts.gone_hourly owner to publisher",
        "insert into liqheat.relation values ('marts.gone_hourly', 'older', 'older')",
        "update liqheat.publication set release = 1",
        "create view public.mine as "
        f"select asset, max(liquidation_usd) as usd from {MAP} group by asset",
    )
    copy(url, publications)
    assert differences(postgres, database, publications.link) == []
    assert len(postgres.run(database, "select * from public.mine")) == len(ASSETS)
    assert postgres.run(database, "select to_regclass('marts.gone_hourly')") == [(None,)]
    release = postgres.run(database, "select release from liqheat.publication")
    assert release == [(outlet_tables.this_release(),)]


def test_a_view_of_a_column_that_goes_is_named(postgres, database, url, publications):
    postgres.run(
        database,
        f"alter table {MAP} add column old_usd double precision",
        f"update liqheat.relation set form_sha256 = 'older' where relation = '{MAP}'",
        f"create view public.mine as select old_usd from {MAP}",
    )
    refusal = r"used by a view of yours; drop the view, .* view public\.mine depends on"
    with pytest.raises(OutletRejected, match=refusal):
        copy(url, publications)
    assert held(postgres, database) == "publication-1"


def test_a_database_of_a_later_release_is_refused(postgres, database, url, publications):
    postgres.run(database, "update liqheat.publication set release = 9999")
    with pytest.raises(OutletRejected, match=r"later release .* upgrade this installation"):
        copy(url, publications)


@pytest.mark.parametrize(
    "statement",
    ["create schema marts; create table marts.assets (mine text)", "create schema liqheat"],
)
def test_what_is_not_ours_is_left_alone(postgres, empty, publications, statement):
    postgres.run(empty, statement, "grant all on schema public to publisher")
    postgres.run(empty, f"alter schema {statement.split()[2].strip(';')} owner to publisher")
    with pytest.raises(OutletRejected, match="not made by liqheat; rename"):
        copy(postgres.url(empty), publications)
    left = postgres.run(
        empty,
        "select count(*) from pg_class where relnamespace in "
        "(select oid from pg_namespace where nspname in ('marts', 'quality', 'liqheat')) "
        "and relkind = 'r'",
    )
    assert left == [(statement.count("table"),)]


def _read_only(postgres, database):
    postgres.run("postgres", f"alter database {database} set default_transaction_read_only = on")
    return postgres.url(database)


def _no_privilege(postgres, database):
    postgres.run("postgres", f"revoke create on database {database} from publisher")
    return postgres.url(database)


def _full(postgres, database):
    """Give the database a table that fails as a full disk does."""
    postgres.run(
        database,
        "create function public.full_disk() returns event_trigger language plpgsql as "
        "$$ begin raise 'could not extend file' using errcode = '53100'; end $$",
        "create event trigger full_disk on ddl_command_end when tag in ('CREATE TABLE') "
        "execute function public.full_disk()",
    )
    return postgres.url(database)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda pg, db: pg.url("absent"), OutletRejected, "no such database; create it"),
        (lambda pg, db: pg.url(db, password=f"{PASSWORD}x"), OutletRejected, "refuses the login"),
        (lambda pg, db: pg.url(db).replace(f":{pg.port}/", ":9/"), OutletUnavailable,
         "Check that the server runs"),
        (lambda pg, db: f"{pg.url(db)}?sslmode=maybe", OutletRejected, "an option that cannot"),
        (lambda pg, db: f"{pg.url(db)}?sslmode=require", OutletUnavailable, "no connection"),
        (_read_only, OutletRejected, "the database is read-only"),
        (_no_privilege, OutletRejected, "the role lacks a privilege"),
        (_full, OutletUnavailable, "the server's disk is full"),
    ],
)  # fmt: skip
def test_a_database_that_cannot_be_used_is_said_with_the_next_step(
    postgres, empty, publications, make, error, message
):
    url = make(postgres, empty)
    with pytest.raises(error, match=message) as caught:
        copy(url, publications)
    shown = f"{caught.value!r} {caught.value.__cause__!r}"
    assert PASSWORD not in shown
    assert "p%40ss" not in shown
    schemas = postgres.run(
        empty, "select nspname from pg_namespace where nspname in ('marts', 'liqheat')"
    )
    assert schemas == []


def test_nothing_published_leaves_the_database_alone(postgres, empty, tmp_path):
    with pytest.raises(NotPublished):
        copy(postgres.url(empty), tmp_path / "liqheat.duckdb")


def test_the_reader_role_reads_and_does_nothing_else(postgres, database, url, publications):
    statements = outlet_tables.reader_role_statements("publisher")
    postgres.run(
        database, statements.replace("login;", f"login password '{PASSWORD}';"), "select 1"
    )
    try:
        rows = postgres.run(database, f"select count(*) from {MAP}", user="liqheat_reader")
        assert rows[0][0] > 0
        assert postgres.run(database, "show timezone", user="liqheat_reader") == [("UTC",)]
        for refused in (f"delete from {MAP}", "create table public.mine (a int)"):
            with pytest.raises(Exception, match=r"read-only|permission denied"):
                postgres.run(database, refused, user="liqheat_reader")
        # Tables that later publications make are readable too.
        postgres.run(
            database,
            "drop table marts.alerts",
            "update liqheat.relation set form_sha256 = '' where relation = 'marts.alerts'",
        )
        copy(url, publications)
        assert postgres.run(database, "select count(*) from marts.alerts", user="liqheat_reader")
    finally:
        postgres.run(database, "drop owned by liqheat_reader", "drop role liqheat_reader")

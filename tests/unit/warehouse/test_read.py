"""Readers see what is published and nothing else, within their memory and time."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from warehouse.errors import (
    NotPublished,
    PublishedFileDamaged,
    QueryFailed,
    QueryOverLimit,
)
from warehouse.read import ReadLimits, bounded_process, open_published

PROJECT = Path(__file__).parents[3]

NEIGHBOURS = {"canary.csv", "liqheat.duckdb", "other.duckdb"}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A published file with its neighbours, none of which a test may change."""
    path = tmp_path_factory.mktemp("home") / "published" / "liqheat.duckdb"
    path.parent.mkdir()
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create schema marts; create table marts.answer as select 42 as value; "
            "create view marts.seen as select value from marts.answer"
        )
    with duckdb.connect(str(path.parent / "other.duckdb")) as connection:
        connection.execute("create table secret as select 'CANARY' as secret")
    (path.parent / "canary.csv").write_text("secret\nCANARY\n")
    return path


@pytest.fixture
def canary(published):
    """A file that nobody may read, in the published folder itself."""
    return published.parent / "canary.csv"


@pytest.fixture
def own(published, tmp_path):
    """A published file to harm."""
    return Path(shutil.copy(published, tmp_path))


@pytest.mark.parametrize(
    "sql",
    [
        "from marts.answer",
        "select value from marts.seen -- a comment",
        "/* a comment; with a semicolon */ select 42;",
        "with answer as (select 42) from answer",
        "values (42)",
        "from liqheat.marts.answer",
        "select * from query('select 42')",
        "pivot marts.answer on value in (42) using max(value)",
    ],
)
def test_one_statement_that_reads_is_answered(published, sql):
    with open_published(published) as reader:
        assert reader.execute(sql).fetchall() == [(42,)]


@pytest.mark.parametrize(
    "sql", ["describe marts.answer", "show all tables", "summarize marts.seen"]
)
def test_relations_can_be_described(published, sql):
    with open_published(published) as reader:
        assert reader.execute(sql).fetchall()


# Each names the canary where it can; none may answer, write or change anything.
WAYS_OUT = [
    "attach '{other}' as other (read_only)",
    "attach '{other}' as other; from other.secret",
    "attach ':memory:' as mine",
    "detach liqheat",
    "use memory",
    "copy (select 1) to '{folder}/out.csv'",
    "copy marts.answer to '{published}' (format csv)",
    "copy marts.answer from '{canary}'",
    "export database '{folder}/out'",
    "import database '{folder}'",
    "install httpfs",
    "force install httpfs from 'http://127.0.0.1:9'",
    "load httpfs",
    "load '{folder}/x.duckdb_extension'",
    "update extensions",
    "from read_csv('{canary}')",
    "from read_csv_auto('{canary}')",
    "from read_text('{canary}')",
    "from read_blob('{canary}')",
    "from read_json('{canary}')",
    "from read_parquet('{canary}')",
    "from read_duckdb('{other}')",
    "from sniff_csv('{canary}')",
    "from parquet_metadata('{canary}')",
    "from parquet_schema('{canary}')",
    "from glob('{folder}/*')",
    "from '{canary}'",
    "from '{other}'",
    "from query_table('{canary}')",
    "from query('from ''{canary}''')",
    "from json_execute_serialized_sql(json_serialize_sql('from ''{canary}'''))",
    "select getenv('HOME')",
    "from read_text('/proc/self/environ')",
    "from duckdb_extensions()",
    "set memory_limit = '100GB'",
    "set enable_external_access = true",
    "set variable x = 1",
    "reset lock_configuration",
    "reset memory_limit",
    "pragma memory_limit = '100GB'",
    "pragma enable_profiling = 'json'",
    "pragma profiling_output = '{folder}/out.json'",
    "call enable_logging(storage = 'file', storage_config = {{'path': '{folder}/out'}})",
    "call pragma_version()",
    "create persistent secret s (type s3, key_id 'k')",
    "create secret s (type s3, key_id 'k')",
    "drop persistent secret s",
    "create table marts.mine (value integer)",
    "create temporary table mine (value integer)",
    "create macro mine() as 1",
    "create or replace view marts.seen as select 1 as value",
    "insert into marts.answer values (43)",
    "with x as (select 43 as value) insert into marts.answer from x",
    "update marts.answer set value = 43",
    "delete from marts.answer",
    "merge into marts.answer using (select 42 as value) as x using (value) "
    "when matched then delete",
    "truncate marts.answer",
    "drop table marts.answer",
    "alter table marts.answer add column mine integer",
    "comment on table marts.answer is 'mine'",
    "checkpoint",
    "force checkpoint",
    "vacuum",
    "analyze",
    "begin transaction",
    "prepare mine as select 42",
    "execute mine",
    "explain analyze copy (select 1) to '{folder}/out.csv'",
    "select 42; select 43",
    "select 42; attach '{other}' as other",
    "/* select 42 */ attach '{other}' as other",
    "-- select 42\nattach '{other}' as other",
    ".import {canary} mine",
    ".shell ls",
    "",
    ";",
    "-- nothing",
]


@pytest.mark.parametrize("sql", WAYS_OUT)
def test_there_is_no_way_out(published, canary, sql):
    before = published.read_bytes()
    names = {"canary": canary, "folder": canary.parent, "published": published}
    text = sql.format(other=canary.parent / "other.duckdb", **names)
    with (
        pytest.raises(QueryFailed, match=r"^query: ") as refused,
        open_published(published) as reader,
    ):
        reader.execute(text).fetchall()
    assert "CANARY" not in str(refused.value)
    assert published.read_bytes() == before
    assert {path.name for path in canary.parent.iterdir()} == NEIGHBOURS


def test_no_table_function_reads_a_file(published, canary):
    """Whatever functions DuckDB has, called with a file's name."""
    with open_published(published) as reader:
        names = reader.execute(
            "select distinct function_name from duckdb_functions() where function_type = 'table'"
        ).fetchall()
    assert len(names) > 50
    for (name,) in names:
        with open_published(published) as reader:
            try:
                rows = reader.execute(f"from {name}('{canary}') limit 100").fetchall()
            except QueryFailed as exc:
                rows = [(str(exc),)]
        assert "CANARY" not in str(rows), name


def test_variables_of_python_are_no_tables(published):
    import pyarrow as pa

    secret = pa.table({"value": [1]})
    with (
        pytest.raises(QueryFailed, match="secret does not exist"),
        open_published(published) as reader,
    ):
        reader.execute("from secret")
    assert secret.num_rows == 1


def test_secrets_of_the_home_folder_are_not_seen(published, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with duckdb.connect() as connection:
        secrets = tmp_path / "secrets"
        connection.execute(f"set secret_directory = '{secrets}'")
        connection.execute("create persistent secret mine (type http, bearer_token 'CANARY')")
    assert list(secrets.iterdir())
    with open_published(published) as reader:
        assert reader.execute("from duckdb_secrets()").fetchall() == []


def test_a_statement_ends_at_its_time(published):
    limits = ReadLimits(seconds=0.05)
    with (
        pytest.raises(QueryOverLimit, match=r"longer than the 0\.05 s of LIQHEAT_QUERY_SECONDS"),
        open_published(published, limits=limits) as reader,
    ):
        reader.execute("select sum(sqrt(i)) from range(1000000000000) t(i)")


def test_a_sort_ends_at_its_memory_and_fills_no_disk(published):
    limits = ReadLimits(memory_mb=64)
    with (
        pytest.raises(
            QueryOverLimit, match="more memory than the 64 MB of LIQHEAT_QUERY_MEMORY_MB"
        ),
        open_published(published, limits=limits) as reader,
    ):
        reader.execute("select i from range(1000000000) t(i) order by hash(i)").fetchone()
    assert {path.name for path in published.parent.iterdir()} == NEIGHBOURS


@pytest.mark.skipif(sys.platform != "linux", reason="the process is bounded on Linux only")
def test_values_that_functions_make_count_as_memory(published):
    limits = ReadLimits(memory_mb=64)
    with (
        bounded_process(limits),
        pytest.raises(QueryOverLimit, match="LIQHEAT_QUERY_MEMORY_MB"),
        open_published(published, limits=limits) as reader,
    ):
        reader.execute("select list_sum(range(1000000000))").fetchall()


def test_time_is_each_statements_and_not_spent_on_what_is_done_with_rows(published):
    with open_published(published, limits=ReadLimits(seconds=5)) as reader:
        reader._seconds_left = 0.0
        assert reader.execute("from marts.answer").fetchall() == [(42,)]


def test_rows_are_streamed(published):
    with open_published(published, limits=ReadLimits(memory_mb=64)) as reader:
        rows = reader.execute("select i from range(1000000000000) t(i)").rows()
        assert [next(rows) for _ in range(3)] == [(0,), (1,), (2,)]


def test_instants_are_utc_whatever_the_machine(published, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    with open_published(published) as reader:
        row = reader.execute("select '2026-01-01'::timestamptz::varchar").fetchone()
    assert row == ("2026-01-01 00:00:00+00",)


def test_readers_of_one_process_have_limits_of_their_own(published):
    with (
        open_published(published, limits=ReadLimits(memory_mb=64)) as one,
        open_published(published, limits=ReadLimits(memory_mb=128)) as other,
        duckdb.connect(str(published), read_only=True) as third,
    ):
        limits = [
            reader.execute("select current_setting('memory_limit')").fetchone()[0]
            for reader in (one, other)
        ]
        assert limits == ["61.0 MiB", "122.0 MiB"]
        assert third.execute("from marts.answer").fetchall() == [(42,)]


def test_nothing_published_says_what_to_run(tmp_path):
    with (
        pytest.raises(NotPublished, match=r"liqheat\.duckdb is not there; run `liqheat run`"),
        open_published(tmp_path / "liqheat.duckdb"),
    ):
        pass


@pytest.mark.parametrize("harm", [b"no database" * 1000, b""])
def test_a_damaged_file_says_what_to_run(own, harm):
    own.write_bytes(harm)
    with (
        pytest.raises(PublishedFileDamaged, match="run `liqheat publish`"),
        open_published(own),
    ):
        pass


def test_what_somebody_else_has_written_is_not_read(own):
    own.with_name("liqheat.duckdb.wal").write_bytes(b"")
    with (
        pytest.raises(PublishedFileDamaged, match="another program has written to it"),
        open_published(own),
    ):
        pass


@pytest.mark.parametrize("sql", ["selec 1", "select nothing from marts.answer", "from nowhere"])
def test_sql_that_cannot_be_read_is_the_askers_error(published, sql):
    with pytest.raises(QueryFailed, match=r"^query: "), open_published(published) as reader:
        reader.execute(sql)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_opened(tmp_path, make):
    make(tmp_path / "liqheat.duckdb")
    with (
        pytest.raises(PublishedFileDamaged, match=r"is not a file; remove it and run"),
        open_published(tmp_path / "liqheat.duckdb"),
    ):
        pass


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("select '\udcff'", None),
        ("select ?", ["\udcff"]),
        ("select $name", {"name": "\udcff"}),
    ],
)
def test_bytes_that_are_no_text_are_refused(published, sql, parameters):
    with (
        pytest.raises(QueryFailed, match="is not valid Unicode"),
        open_published(published) as reader,
    ):
        reader.execute(sql, parameters)


def test_running_out_of_memory_elsewhere_names_the_setting_too():
    with (
        pytest.raises(QueryOverLimit, match="the 7 MB of LIQHEAT_QUERY_MEMORY_MB"),
        bounded_process(ReadLimits(memory_mb=7)),
    ):
        raise MemoryError


# A shell lets what it starts in the background ignore Ctrl-C, this test's process perhaps.
QUERY = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from cli.main import app
from warehouse import read
run = read.Reader._run
def noted(*arguments):
    print("started", flush=True)
    return run(*arguments)
read.Reader._run = noted
app()
"""


def test_settings_are_locked(published):
    with open_published(published) as reader:
        locked = reader.execute("select current_setting('lock_configuration')").fetchone()
    assert locked == (True,)


def test_ctrl_c_ends_a_query(published):
    """As a terminal sends it; 130 is what shells call the death by SIGINT."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            QUERY,
            "query",
            "select sum(sqrt(i)) from range(1000000000000) t(i)",
        ],
        cwd=PROJECT,
        env={**os.environ, "LIQHEAT_HOME": str(published.parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, said) == (130, "")


def test_ctrl_c_while_a_statement_starts_ends_it(published, monkeypatch):
    class Interrupted(threading.Thread):
        def start(self):
            super().start()
            raise KeyboardInterrupt

    with open_published(published) as reader:
        monkeypatch.setattr(threading, "Thread", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            reader.execute("select sum(sqrt(i)) from range(1000000000000) t(i)")
        monkeypatch.undo()
        assert reader._stop()


def test_no_thread_is_left_behind(published):
    before = threading.active_count()
    with open_published(published) as reader:
        reader.execute("from marts.answer").fetchall()
    assert threading.active_count() <= before + 1

"""An address is read, or refused without showing what may be a password."""

from pathlib import Path

import pytest

from warehouse.address import ObjectStore, libpq_text, read_warehouse_address
from warehouse.errors import LakeRejected

SECRET = "hunter2"  # noqa: S105


def read(text, data="/data"):
    return read_warehouse_address(text, data=data, spill=Path("spill"), store=ObjectStore())


def test_what_is_no_lake_is_a_path():
    assert read("data/warehouse.duckdb", data=None) == Path("data/warehouse.duckdb")


@pytest.mark.parametrize(
    "text",
    [
        f"ducklake:postgres://writer:{SECRET}@db.example:5433/heat",
        f"ducklake:postgresql://writer:{SECRET}@db.example:5433/heat",
        f"ducklake:postgres:postgresql://writer:{SECRET}@db.example:5433/heat",
        f"ducklake:postgres:host=db.example port=5433 user=writer password={SECRET} dbname=heat",
        f"ducklake:postgres:host='db.example' port=5433 user=writer password='{SECRET}' "
        "dbname=heat",
    ],
)
def test_every_spelling_of_a_catalogue_is_the_same_and_hides_its_password(text):
    lake = read(text)
    keywords = lake.catalogue.keywords()
    assert {name: keywords[name] for name in ("host", "port", "user", "dbname")} == {
        "host": "db.example",
        "port": "5433",
        "user": "writer",
        "dbname": "heat",
    }
    assert lake.catalogue.password == SECRET
    assert SECRET not in f"{lake} {lake!r} {libpq_text(lake.catalogue)}"


def test_a_catalogue_in_a_file():
    lake = read("ducklake:data/catalogue.ducklake", data="s3://bucket/prefix/")
    assert (lake.catalogue, lake.data) == (Path("data/catalogue.ducklake"), "s3://bucket/prefix/")


@pytest.mark.parametrize(
    ("text", "data", "message"),
    [
        ("ducklake:postgres://writer@db/heat", None, "LIQHEAT_DATA is not set"),
        ("ducklake:postgres://writer@db/heat", "gs://bucket/x", "neither a folder nor s3"),
        ("ducklake:catalogue", f"s3://key:{SECRET}/x@maps/y", "LIQHEAT_DATA: it holds a key"),
        (f"ducklake:postgres://writer:{SECRET}/@db/heat", "/data", "cannot be read; its form is"),
        (f"ducklake:postgres:{SECRET}", "/data", "cannot be read; its form is"),
        (f"ducklake:mysql:password={SECRET}", "/data", "cannot be read; its form is"),
        ("ducklake:", "/data", "cannot be read; its form is"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_being_shown(text, data, message):
    with pytest.raises(LakeRejected, match=message) as raised:
        read(text, data)
    assert SECRET not in str(raised.value)


def test_an_access_key_is_shown_nowhere():
    store = ObjectStore("key", SECRET, SECRET)
    assert SECRET not in repr(store)

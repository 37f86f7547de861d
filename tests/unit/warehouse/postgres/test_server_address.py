"""An address is read with its password out of sight, or refused without showing any of it."""

import pytest

from warehouse.errors import OutletRejected
from warehouse.postgres.server_address import read_address

SECRET = "hunter2"  # noqa: S105  (what must not be shown)


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgresql://me:hunter2@db:5433/heat", "hunter2"),
        ("postgres://me:hunter2@db:5433/heat", "hunter2"),
        ("postgresql://me:hunter2%40%2F%3A@db:5433/heat", "hunter2@/:"),
        ("postgresql://me@db:5433/heat?password=hunter2", "hunter2"),
        ("postgresql://me:hunter2:x@db:5433/heat", "hunter2:x"),
        ("postgresql://me:hunter2,x@db:5433/heat", "hunter2,x"),
        ("postgresql://me@db:5433/heat?password=hunter2+x", "hunter2+x"),
    ],
)
def test_a_password_is_held_apart_from_what_is_shown(url, password):
    address = read_address(url)
    assert address.password == password
    assert (str(address), address.user, address.database) == ("db:5433/heat", "me", "heat")
    assert SECRET not in f"{address!r} {address} {address.dsn}"


def test_options_stay_in_the_address():
    address = read_address("postgresql://db/heat?sslmode=require&user=me")
    assert address.dsn == "postgresql://db/heat?sslmode=require&user=me"
    assert (address.user, address.password) == ("me", None)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2/x@db/heat",
        "postgresql://me:hunter2?x@db/heat",
        "postgresql://me:hunter2#x@db/heat",
        "postgresql://me:x@hunter2@db/heat",
        "postgresql://me:[hunter2@db/heat",
        "postgresql://me:x@db:hunter2/heat",
        "postgresql://me:x@db/heat?hunter2",
        "postgresql://me:hunter2,x@db:port/heat",
        "postgresql://me:hunter2@db:5432,db:99999999/heat",
        "postgresql://me:hunter2@db:5432,/heat",
        "postgresql://me:hunter2%00@db/heat",
        "postgresql://me:hunter2\udcff@db/heat",
        "hunter2",
        "mysql://me:hunter2@db/heat",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_showing_it(url):
    with pytest.raises(OutletRejected, match="its form is postgresql://") as caught:
        read_address(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__

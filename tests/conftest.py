"""What all tests share: packages of the tests themselves, and one small market built once.

Tests are no package and their folder is not on the path (it would shadow `flows` and `sql`), so the
packages among them are loaded by their path, once, under their own names.
"""

import fcntl
import gc
import importlib.util
import os
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings

# Two workers share two cores. That rows do not depend on threads is `pipeline/test_same_bits.py`;
# the small market and the golden one are built on two.
os.environ.setdefault("LIQHEAT_THREADS", "1")
# As the settings do, which packages below import after numpy: threads of OpenBLAS wait busily for
# each other, and fits take five times the processor time on cores that are shared.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A shell starts what runs in the background with interrupts ignored, which children would inherit:
# tests of interrupts send them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _load_package(name: str) -> None:
    folder = Path(__file__).parent / name
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is no package")
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


for _name in ("standin", "workbench"):
    if _name not in sys.modules:
        _load_package(_name)


# How long an example takes depends on the machine and on what is compiled, as hypothesis allows for
# in CI: what fails is what is asserted. Examples are the same in each run, so that a change fails
# by what it changes; `make soak` draws others.
_ANY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same_examples", _ANY_MACHINE, derandomize=True)
settings.register_profile("other_examples", _ANY_MACHINE)
settings.load_profile("same_examples")


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of every later collection of garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _copied_warehouses():
    """Make one empty warehouse in a process and copy it wherever a test opens a new one."""
    from workbench import copied_warehouses

    with copied_warehouses():
        yield


@pytest.fixture(scope="session")
def market_records():
    """Return the records of the small market, one table a kind."""
    from workbench import MARKET, records_of

    return records_of(MARKET)


@pytest.fixture(scope="session")
def small_home(tmp_path_factory, worker_id, request):
    """Return the folder of the small market, built with all estimators and published; read only.

    It is built once in a run: whichever worker needs it first does so, the others wait.
    """
    if worker_id == "master":
        return _build_small_home(tmp_path_factory.mktemp("small") / "home", request)
    # The folder that the workers of one run share.
    shared = tmp_path_factory.getbasetemp().parent
    finished = shared / "small" / "home"
    with (shared / "small.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            making = _build_small_home(shared / "small" / "making", request)
            making.rename(finished)
    return finished


def _build_small_home(folder: Path, request: pytest.FixtureRequest) -> Path:
    from workbench import END, workshop

    from jobs.pipeline import build_maps, load
    from jobs.publish.publish import publish
    from jobs.settings import Settings

    settings = Settings(home=folder, threads=2)
    with workshop(settings.home) as shop:
        for kind, table in request.getfixturevalue("market_records").items():
            shop.land(kind, table, f"market-{kind}")
    load(settings)
    build_maps(settings, as_of=END)
    publish(settings, as_of=END)
    return folder


@pytest.fixture(scope="session")
def loaded_market(market_records, tmp_path_factory):
    """The home of the records of two assets, nothing built; read only."""
    from workbench import home_with

    return home_with(market_records, tmp_path_factory.mktemp("loaded"))


@pytest.fixture(scope="module")
def empty_warehouse():
    """Yield a warehouse in memory with its tables and views and no rows."""
    import duckdb

    from warehouse.migrate import migrate
    from warehouse.models import create_views

    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        migrate(connection)
        create_views(connection)
        yield connection


@pytest.fixture
def without_pages(monkeypatch):
    """Leave out the pages of checks, which take as long as the checks themselves."""
    monkeypatch.setattr("quality.validation.Validation.write_pages", lambda validation: None)


@pytest.fixture
def counted_by_pandas(without_pages, monkeypatch):
    """Let pandas count the rows that fail a check, in a tenth of the time of Great Expectations.

    For tests of what comes of results. That both find the same in every check is
    `unit/quality/test_validation.py`.
    """
    from quality import validation

    def run(_context, _name, frame, checks):
        counts = {check.name: len(validation._failing_rows(check, frame)) for check in checks}
        return {
            name: SimpleNamespace(
                success=count == 0, result={"unexpected_count": count}, exception_info={}
            )
            for name, count in counts.items()
        }

    monkeypatch.setattr(validation, "_context", lambda: None)
    monkeypatch.setattr(validation, "_run", run)


@pytest.fixture
def home(small_home, tmp_path):
    """Return a copy of the small market's folder to change."""
    return Path(shutil.copytree(small_home, tmp_path / "home", symlinks=True))


@pytest.fixture(scope="session")
def postgres():
    """Yield a PostgreSQL server of our own; skips where the programs are not installed."""
    from workbench.postgres_server import postgres_server, programs

    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with postgres_server("fsync=off", "autovacuum=off", "jit=off") as server:
        yield server


@pytest.fixture
def offline_home(tmp_path, monkeypatch):
    """The folder of a home that requests no venue, named by the environment."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "universe.yaml").write_text("venues: []\n")
    monkeypatch.setenv("LIQHEAT_HOME", str(folder))
    return folder

"""One series built once, a copy of it to publish, and what each publication wrote."""

import shutil

import pytest

from transforms.estimators import ESTIMATORS
from warehouse import publication as publishing
from warehouse import published_versions
from workbench import of_one_series, workshop
from workbench.publishing import FILE, LAST, copied, publish_all


@pytest.fixture(scope="session")
def built(tmp_path_factory, market_records):
    """Return the folder of one series built over 26 hours, read only."""
    home = tmp_path_factory.mktemp("built")
    with workshop(home) as shop:
        shop.take_in(of_one_series(market_records, last=26))
        shop.build(LAST, [ESTIMATORS["turnover"]])
    return home


@pytest.fixture
def shop(built, tmp_path):
    """A writer's copy of it."""
    with workshop(copied(built, tmp_path / "home")) as opened:
        yield opened


@pytest.fixture(scope="session")
def published_once(built, tmp_path_factory):
    """Return the folder of the series with its first publication, read only."""
    home = copied(built, tmp_path_factory.mktemp("published-once") / "home")
    with workshop(home) as shop:
        publish_all(shop)
    return home


@pytest.fixture
def published(published_once, tmp_path):
    """Yield a writer's copy of what is published, and its file."""
    home = shutil.copytree(published_once, tmp_path / "home", symlinks=True)
    with workshop(home) as opened:
        yield opened, opened.settings.published / FILE


@pytest.fixture
def spans(monkeypatch):
    """The days written into each publication, None where all were."""
    seen = []
    fill = publishing.Publication._fill_hourly

    def spied(made):
        seen.append(made._days and [day.isoformat() for day in made._days])
        fill(made)

    monkeypatch.setattr(publishing.Publication, "_fill_hourly", spied)
    return seen


@pytest.fixture
def killed_before_link(monkeypatch):
    """Return a function that publishes and is killed before the link points to what it made."""

    def killed(*_):
        raise KeyboardInterrupt

    def publish_and_die(publish, shop):
        with monkeypatch.context() as context:
            context.setattr(published_versions, "_point_to", killed)
            with pytest.raises(KeyboardInterrupt):
                publish(shop)

    return publish_and_die

"""Panels of the small market's published file, as records and as HTML."""

from datetime import UTC, datetime

import pytest
from workbench.html_fragment import Fragment

from jobs.read.query import published_file
from jobs.settings import Settings
from warehouse.read import open_published
from web.catalogue import read_catalogue
from web.panels.fragments import render_panel
from web.panels.panel_input import PanelInput
from web.view import ViewQuery, resolve_view

NOW = datetime(2026, 2, 2, 0, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def published(small_home):
    """Return the published file of the small market."""
    return published_file(Settings(home=small_home))


@pytest.fixture
def given(small_home):
    """Return a function that makes a panel of a file for a view, by a reader of this module."""

    def make(file, read, *, shock=None, now=NOW, home=small_home, **query):
        with open_published(file) as reader:
            catalogue = read_catalogue(reader, now)
            view = resolve_view(ViewQuery(**{"asset": "BTC", **query}), catalogue, now)
            return read(PanelInput(reader, view, Settings(home=home), now, shock))

    return make


@pytest.fixture
def fragment(given):
    """Return a function that renders a panel of a file and parses what came."""

    def make(file, name, **known):
        return Fragment(given(file, lambda one: render_panel(name, one), **known))

    return make


@pytest.fixture(scope="module")
def ask():
    """Return a function that runs SQL on a file and returns its rows by column."""

    def run(file, sql, parameters=None):
        with open_published(file) as reader:
            rows = reader.execute(sql, parameters).fetchall()
            return [dict(zip(reader.columns, row, strict=True)) for row in rows]

    return run

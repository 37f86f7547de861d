"""An engine that cannot be had says what to install."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("missing", ["dask", "distributed"])
def test_without_dask_the_extra_is_named_and_threads_work(missing):
    code = f"""
import sys
sys.modules[{missing!r}] = None
from jobs.engines.engine_choice import EngineChoice, open_engine
from jobs.errors import SettingsRejected
with open_engine(EngineChoice(workers=1)):
    pass
try:
    open_engine(EngineChoice("dask"))
except SettingsRejected as exc:
    print(exc)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("the engine needs Dask, which is not installed (")
    assert "extra `cluster`" in done.stdout

"""Calls in processes of their own that can be killed, without the seconds that imports take.

Belongs here: a process that has its modules loaded and forks for each call. Does not belong here:
what is called, and when it is killed.

Run by its path this is the process that forks: ``python tests/workbench/forking.py MODULE...``. It
reads a call on each line of its input, ``[module, function, arguments]`` in JSON, and writes the
number of the process that makes it, then how that ended.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, Self

if __package__ in (None, ""):
    # Run by path: neither the tests' folder nor the project's is on sys.path.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

_RAISED = 70


class Call:
    """A call under way in a process of its own.

    Parameters
    ----------
    process_id : int
        Of the process.
    forks : subprocess.Popen
        The process that reports how the call ends.
    """

    def __init__(self, process_id: int, forks: subprocess.Popen[str]) -> None:
        self.process_id = process_id
        self._forks = forks

    def end(self) -> int:
        """Return the exit code of the call when it ends; -9 where it was killed.

        Raises
        ------
        RuntimeError
            The call raised; its traceback is on stderr.
        """
        assert self._forks.stdout is not None
        line = self._forks.stdout.readline()
        if not line or int(line) == _RAISED:
            raise RuntimeError("the call failed; see its traceback above")
        return int(line)

    def kill(self) -> bool:
        """Kill the process wherever it is; return whether that came before its end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process_id, signal.SIGKILL)
        return self.end() == -signal.SIGKILL


class Forks:
    """A process that forks for each call, one at a time; use as a context manager.

    Parameters
    ----------
    *modules : str
        Loaded before the first call; what else a call imports it imports each time.
    """

    def __init__(self, *modules: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def start(self, module: str, function: str, *arguments: Any) -> Call:
        """Start a call; arguments are what JSON can carry, an int returned is its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([module, function, arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("no process could be started; see the traceback above")
        return Call(int(line), self._process)


def _serve() -> None:
    sys.stdout.flush()
    for line in sys.stdin:
        module, function, arguments = json.loads(line)
        process_id = os.fork()
        if process_id == 0:
            _make(module, function, arguments)
        sys.stdout.write(f"{process_id}\n")
        sys.stdout.flush()
        _, status = os.waitpid(process_id, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _make(module: str, function: str, arguments: list[Any]) -> None:
    """Make a call and end the process, whatever comes."""
    code = _RAISED
    try:
        os.dup2(2, 1)
        returned = getattr(importlib.import_module(module), function)(*arguments)
        code = returned if isinstance(returned, int) else 0
    except BaseException:  # noqa: BLE001  (nothing may go on in what is a copy of the parent)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for _name in sys.argv[1:]:
        importlib.import_module(_name)
    _serve()

"""A clock that two processes share, and that waits for both of them.

Belongs here: the clock. Does not belong here: what lives by it.

A stand-in that lives at a multiple of the machine's time would rush ahead of a client that gets no
processor. So time passes in ticks, at most so many a second, and the next one comes only when the
event loop of the client has turned since the last: on a busy machine hours take longer, and nothing
else changes.
"""

import asyncio
import mmap
import struct
from collections.abc import Callable
from pathlib import Path

TICK_MILLISECONDS = 200
_BEAT_SECONDS = 0.002
_LONGEST_NAP_SECONDS = 0.05
_FORM = struct.Struct("=qq")  # time [ms since 1970], turns of the client's loop


class SharedClock:
    """Time in a file of 16 bytes that both processes map.

    Parameters
    ----------
    path : Path
        The file; made where absent.
    speed : float
        Most seconds of this clock in one of the machine's.
    """

    def __init__(self, path: Path, speed: float) -> None:
        self.speed = speed
        if not path.exists():
            path.write_bytes(_FORM.pack(0, 0))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _FORM.size)
        self._beating: asyncio.AbstractEventLoop | None = None

    @property
    def milliseconds(self) -> int:
        """Return the time [ms since 1970]."""
        return int(_FORM.unpack(self._memory[:])[0])

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of this clock, and let it pass: the client's side."""
        self._beat()
        until = self.milliseconds + seconds * 1000.0
        # Yield to other tasks even when there is nothing to wait for.
        await asyncio.sleep(0)
        while (left := (until - self.milliseconds) / 1000.0) > 0:
            await asyncio.sleep(min(max(left / self.speed, 0.001), _LONGEST_NAP_SECONDS))

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        if self._beating is loop:
            return
        self._beating = loop

        def turn() -> None:
            turns = _FORM.unpack(self._memory[:])[1]
            self._memory[8:] = struct.pack("=q", turns + 1)
            loop.call_later(_BEAT_SECONDS, turn)

        turn()

    async def drive(self, start: int, move: Callable[[int], None]) -> None:
        """Let time pass from `start` on, in ticks, telling `move` of each: the venue's side."""
        loop = asyncio.get_running_loop()
        now, seen = start, -1
        self._memory[:8] = struct.pack("=q", now)
        tick = TICK_MILLISECONDS / 1000.0 / self.speed
        due = loop.time()
        while True:
            due = max(due + tick, loop.time())
            await asyncio.sleep(due - loop.time())
            turns = int(_FORM.unpack(self._memory[:])[1])
            while turns == seen:
                await asyncio.sleep(0.001)
                turns = int(_FORM.unpack(self._memory[:])[1])
            seen = turns
            now += TICK_MILLISECONDS
            move(now)
            self._memory[:8] = struct.pack("=q", now)

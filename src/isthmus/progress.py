"""Progress that suits its reader: a bar with rate and time left in a terminal, a line now and then in a log."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

# Seconds between two lines of a log.
_EVERY = 10.0


class Progress:
    """Counts units of work from 0 to total; nothing is shown for work of under a few seconds in a log."""

    def __init__(self, total: int, unit: str, label: str) -> None:
        self._total, self._unit, self._label = total, unit, label
        self._done, self._first = 0, 0
        self._console = Console(file=sys.stderr)
        self._bar: Bar | None = None

    def __enter__(self) -> "Progress":
        self._start = self._last = time.monotonic()
        if self._console.is_terminal:
            text = TextColumn("{task.fields[rate]}")
            columns = ("[bold]{task.description}", BarColumn(), MofNCompleteColumn())
            self._bar = Bar(*columns, text, TimeRemainingColumn(), console=self._console)
            self._task = self._bar.add_task(self._label, total=self._total, rate="")
            self._bar.start()
        return self

    def expect(self, total: int) -> None:
        """Say how many units there are, where that was not known before."""
        self._total = total
        if self._bar is not None:
            self._bar.update(self._task, total=total)

    def start_at(self, done: int) -> None:
        """Say that `done` units were finished before: they count, but not in the rate."""
        self._done = self._first = done
        self._start = time.monotonic()
        self.advance(0)

    def advance(self, units: int = 1) -> None:
        """Say that so many more units are done."""
        self._done += units
        now = time.monotonic()
        rate = (self._done - self._first) / max(now - self._start, 1e-9)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, rate=f"{rate:.0f} {self._unit}/s")
        elif self._done > self._first and now - self._last >= _EVERY:
            self._last = now
            left = (self._total - self._done) / max(rate, 1e-9)
            self._console.print(
                f"{self._label}: {self._done}/{self._total} {self._unit}, {rate:.3g}/s, about {left:.0f} s left",
                soft_wrap=True,
                highlight=False,
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

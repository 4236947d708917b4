"""SIGTERM (a cluster wants its node back, time is up) and Ctrl-C as requests: work ends its step and is saved."""

import os
import signal
from types import FrameType, TracebackType
from typing import Any


class StoppedError(Exception):
    """Work that was asked to stop has stopped. Its message is one line that says where the same command goes on."""

    def __init__(self, message: str, by: signal.Signals) -> None:
        super().__init__(message)
        # The code of a temporary fault for the cluster's signal, of a shell's Ctrl-C for the user's.
        self.code = 130 if by is signal.SIGINT else os.EX_TEMPFAIL


class Requests:
    """Takes note of SIGTERM and Ctrl-C inside its block; a Ctrl-C after that stops at once, without a save.

    asked: the first signal that came, or None.
    """

    asked: signal.Signals | None = None

    def __enter__(self) -> "Requests":
        self._before: dict[signal.Signals, Any] = {}
        for wanted in (signal.SIGTERM, signal.SIGINT):
            # A signal that is ignored (a shell's background job does so with Ctrl-C) stays ignored.
            if signal.getsignal(wanted) is not signal.SIG_IGN:
                self._before[wanted] = signal.signal(wanted, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = self.asked or signal.Signals(number)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for wanted, handler in self._before.items():
            signal.signal(wanted, handler)

"""Cells side by side: a repetition of each in turn, so that what the machine does meanwhile hits all alike."""

import sys
from collections.abc import Callable, Sequence

from isthmus.bench.cell import Cell, Result, number
from isthmus.bench.sessions import CellError, Session, Whole

REPETITIONS = 5


def measure(cells: Sequence[Cell], seconds: float) -> list[Result]:
    """A result for each cell, in their order, of about so many seconds' work each."""
    sessions = [Whole(cell) if cell.whole else Session(cell) for cell in cells]
    faults: dict[Cell, str] = {}

    def each(do: Callable[[Session], None], first: int = 0) -> None:
        for session in (*sessions[first:], *sessions[:first]):
            if session.cell not in faults:
                try:
                    do(session)
                except CellError as error:
                    faults[session.cell] = str(error)
                    session.abandon()

    each(lambda session: session.plan(seconds / REPETITIONS, REPETITIONS))
    for repetition in range(REPETITIONS):
        each(lambda session: session.repeat(), repetition % max(1, len(sessions)))
    each(lambda session: session.close())
    results = [session.result(faults.get(session.cell, "")) for session in sessions]
    for cell, result in zip(cells, results, strict=True):
        say(f"{cell}: {line(result)}")
    return results


def line(result: Result) -> str:
    """The result in a few words."""
    if not result.n:
        return f"not measured: {result.note}"
    numbers = f"{number(result.us_per_step_network)} us ({number(result.low)} to {number(result.high)})"
    note = f"; {result.note}" if result.note else ""
    return f"{numbers} a step and network, n = {result.n} of {result.steps} steps, {result.peak_mb:.0f} MB{note}"


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)

"""A cell under way: its processes, the times that they sent, and the result that comes of them."""

import json
import multiprocessing
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from statistics import median

from isthmus.bench.cell import Cell, Result
from isthmus.bench.worker import Ended, serve

# Workers are forked from one process that has imported torch: that takes a tenth of a second, not two.
_CONTEXT = multiprocessing.get_context(
    "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
)
if _CONTEXT.get_start_method() == "forkserver":
    _CONTEXT.set_forkserver_preload(["isthmus.bench.works", "isthmus.bench.fleets", "isthmus.bench.evaluation"])

# Seconds from which a first step is a measurement by itself: nothing came before it, and it is not repeated.
LONG = 8.0
# Repetitions where one of them takes long.
FEWEST = 3
# MB from which a result says that it needs memory.
HEAVY = 2000


class CellError(Exception):
    """A cell could not be measured; its message says why."""


class Session:
    """Workers that take a cell's steps when told to, and sit still while others do."""

    def __init__(self, cell: Cell) -> None:
        self.cell, self.times, self.notes = cell, [], []
        self.peak, self.networks, self.block, self.steps, self.wanted = float("nan"), 0, 0, 0, 0
        self.workers: list[tuple[BaseProcess, Connection]] = []
        self._start()

    def _start(self) -> None:
        for seeds in self.cell.shares:
            ours, theirs = _CONTEXT.Pipe()
            process = _CONTEXT.Process(target=serve, args=(theirs, self.cell, seeds), daemon=True)
            process.start()
            theirs.close()
            self.workers.append((process, ours))

    def plan(self, seconds: float, repetitions: int) -> None:
        """Warm up, and settle how many steps make a repetition of so many seconds, and how many repetitions."""
        self.wanted, self.steps = repetitions, self.cell.steps or 1
        taken = self._seconds(self.steps)
        if taken > LONG:
            self.wanted = 1
            self.times.append(taken)
            self.notes.append("no warm-up")
        elif self.cell.steps is None:
            while (taken := self._seconds(self.steps)) < seconds / 4:
                self.steps *= 4
            self.wanted = min(repetitions, FEWEST) if taken > 2 * seconds else repetitions
            self.steps = whole_epochs(round(seconds / taken * self.steps), self.cell.model.epoch)

    def repeat(self) -> None:
        """One repetition, if one is still wanted."""
        if len(self.times) < self.wanted:
            self.times.append(self._seconds(self.steps))

    def close(self) -> None:
        """Let the workers go, and take down what they say at the end."""
        self._tell(None)
        ended: list[Ended] = self._answers()
        self.peak, self.block = sum(one.peak_mb for one in ended), ended[0].block
        self.networks = sum(one.networks for one in ended)
        if self.networks < self.cell.rows:
            self.notes.append(f"timed on {self.networks} of its networks")
        if not all(one.finite for one in ended):
            self.notes.append("diverged")
        for process, _ in self.workers:
            process.join()

    def abandon(self) -> None:
        """End the workers of a cell that went wrong."""
        for process, _ in self.workers:
            process.terminate()

    def result(self, fault: str = "") -> Result:
        """The row of the table. fault: why there are no numbers."""
        cell, per = self.cell, 1e-6 * max(1, self.steps * self.networks)
        heavy = ["heavy on memory"] if self.peak > HEAVY else []
        times = [taken / per for taken in self.times] if not fault else []
        middle = median(times) if times else float("nan")
        return Result(
            cell.part,
            cell.case,
            cell.method,
            cell.rows,
            cell.threads,
            cell.processes,
            cell.variant,
            self.block,
            middle,
            min(times, default=float("nan")),
            max(times, default=float("nan")),
            len(times),
            self.steps,
            cell.model.flops / middle / 1e3,
            self.peak,
            "; ".join([*self.notes, *heavy, *([fault] if fault else [])]),
        )

    def _seconds(self, steps: int) -> float:
        """Wall time of so many steps of all networks: that of the slowest worker, all of which start together."""
        self._tell(steps)
        self._answers()
        self._tell("go")
        return max(self._answers())

    def _tell(self, what: int | str | None) -> None:
        for _, pipe in self.workers:
            # One that has ended has left a word that says why, or none: `_answers` finds out.
            with suppress(ConnectionError):
                pipe.send(what)

    def _answers(self) -> list:
        """What each worker sends next; CellError if one says what went wrong, or has ended without a word."""
        try:
            answers = [pipe.recv() for _, pipe in self.workers]
        except (EOFError, ConnectionError) as error:
            raise CellError("a worker ended (out of memory?)") from error
        for answer in answers:
            if isinstance(answer, str) and answer != "ready":
                raise CellError(answer)
        return answers


class Whole(Session):
    """Whole processes, from start to end: each repetition starts them anew."""

    def _start(self) -> None:
        self.networks, self.steps = self.cell.rows, self.cell.steps

    def plan(self, seconds: float, repetitions: int) -> None:
        """Nothing is to be warmed up but the system's cache of files, which other cells have filled."""
        self.wanted = min(repetitions, FEWEST)
        if self.cell.timed is not None:
            self.notes.append(f"{self.cell.timed} of its steps timed, the start spread over all")

    def close(self) -> None:
        """They have ended by themselves."""

    def _seconds(self, steps: int) -> float:
        """Wall time of all its processes, from the first one's start to the last one's end."""
        start, text = time.perf_counter(), json.dumps(asdict(self.cell))
        command = [sys.executable, "-m", "isthmus.bench.alone", text]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started = [
            subprocess.Popen([*command, str(seeds.start), str(seeds.stop)], **pipes, text=True)
            for seeds in self.cell.shares
        ]
        said = [process.communicate() for process in started]
        whole = time.perf_counter() - start
        for process, (_, error) in zip(started, said, strict=True):
            if process.returncode:
                raise CellError((error.strip().splitlines() or [f"exit code {process.returncode}"])[-1])
        found = [json.loads(out) for out, _ in said]
        self.peak = sum(one["peak_mb"] for one in found)
        taken = max(one["seconds"] for one in found)
        return whole - taken + taken * steps / (self.cell.timed or steps)


def whole_epochs(steps: int, epoch: int) -> int:
    """So many steps, as whole epochs if that is at least about one, so that data orders count as in a long run."""
    return max(1, steps if 2 * steps < epoch else max(1, round(steps / epoch)) * epoch)

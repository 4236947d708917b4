"""A cell is one thing to time, a result one row of the table of all that was timed. Imports no torch."""

from dataclasses import dataclass
from itertools import pairwise

from isthmus.bench.cases import Case, find


@dataclass(frozen=True)
class Cell:
    """A method on a case with so many networks.

    threads: of each process. processes: the networks are shared out among so many, which work at the same time.
    block: networks that take a step together, where the method lets one choose. variant: a choice of the method's
    own. steps: of a repetition, where they are not to follow from the time there is. whole: each repetition is new
    processes from start to end, imports included; timed: how many of their steps are really taken, the rest of them
    being taken to cost as much.
    """

    part: str
    case: str
    method: str
    rows: int
    threads: int = 1
    processes: int = 1
    block: int | None = None
    variant: str = ""
    steps: int | None = None
    whole: bool = False
    timed: int | None = None
    device: str = "cpu"
    precision: str = "float32"

    @property
    def model(self) -> Case:
        """The case itself."""
        return find(self.case, self.device)

    @property
    def cores(self) -> int:
        """Cores that it keeps busy."""
        return self.threads * self.processes

    @property
    def shares(self) -> list[range]:
        """The seeds of each process's networks, which are also their places in the fleet."""
        base, more = divmod(self.rows, self.processes)
        ends = [base * k + min(k, more) for k in range(self.processes + 1)]
        return [range(start, stop) for start, stop in pairwise(ends)]

    def __str__(self) -> str:
        words = [f"{self.case}  R={self.rows}  {self.method}", self.variant]
        words += [f"{self.block} together" if self.block else ""]
        words += [f"{self.processes} processes" if self.processes > 1 else ""]
        words += [f"{self.threads} threads" if self.threads > 1 else ""]
        return "  ".join(word for word in words if word)


def number(value: float) -> str:
    """Three significant digits, thousands apart."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


@dataclass(frozen=True)
class Result:
    """What came of a cell: columns of the table. NaN where it failed, and `note` says why.

    us_per_step_network: wall time of a step of all networks, in microseconds, divided by how many took it; median,
    and the fastest and slowest of n repetitions of so many steps. gflops: by the case's formula. peak_mb: memory
    of its processes, together, with libraries; on a GPU what was allocated there. block: networks together, 0
    where all are or none.
    """

    part: str
    case: str
    method: str
    rows: int
    threads: int
    processes: int
    variant: str
    block: int
    us_per_step_network: float
    low: float
    high: float
    n: int
    steps: int
    gflops: float
    peak_mb: float
    note: str

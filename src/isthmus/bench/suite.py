"""What is measured, and beside what: the cells of each part, in groups that are measured together."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from isthmus.bench import cases
from isthmus.bench.cases import Case
from isthmus.bench.cell import Cell, Result
from isthmus.bench.machine import cores
from isthmus.bench.measure import measure, say

PARTS = ("rule", "scaling", "thousand", "evaluate")
GROUPS = tuple(dict.fromkeys(case.group for case in cases.TRAINED))
METHODS = ("process", "serial", "engine", "limit")
ROWS = (1, 8, 32, 128)

# Steps of a script that trains one network: 30 epochs of digits. So many seconds of them are really taken.
SCRIPT, SECONDS_OF_SCRIPT = 660, 8.0
# On a CPU a step of more networks than these takes minutes: only those who name them by --rows get them.
MOST = {"resnet": 32}
# Networks with which the rule for rows at once is tried: enough to choose among, in a time that there is.
TRIED, TRIED_ON_GPU = {"mlp": 128, "cnn": 16, "resnet": 4}, 32
EPOCHS = 30


@dataclass
class Suite:
    """The parts, as methods, and the results of those that were run."""

    seconds: float = 1.0
    rows: tuple[int, ...] | None = None
    methods: tuple[str, ...] = METHODS
    device: str = "cpu"
    precision: str = "float32"
    cores: int = field(default_factory=cores)
    results: list[Result] = field(default_factory=list)

    def run(self, only: tuple[str, ...] = ()) -> None:
        """Everything, or only these cases, families of cases and parts."""
        families = [case for case in cases.TRAINED if not only or {case.group, case.name} & {*only}]
        self.products()
        for case in families:
            self.train(case)
        for part in PARTS:
            if only and part not in only:
                continue
            if part == "rule":
                for case in families or cases.TRAINED:
                    self.rule(case)
            else:
                getattr(self, part)()

    def products(self) -> None:
        """The machine's rate: square products on one core and on all."""
        say("\nsquare matrix products")
        for threads in self._threads:
            self._measure(
                [self._cell("gemm", case, "product", 1, threads=threads) for case in cases.PRODUCTS[self.device]]
            )

    def train(self, case: Case) -> None:
        """A step of training by every method, for each number of networks.

        What a method leaves open is chosen first. Processes of their own are measured beside the smallest number of
        networks alone: they are linear in it.
        """
        say(f"\ntraining, {case.title}")
        serial, block = self._serial(case), self._block(case)
        for rows in self._rows(case):
            cells = []
            if "process" in self.methods and serial.n and rows == self._rows(case)[0]:
                cells.append(self._process(case, serial))
            if "serial" in self.methods:
                for threads in self._threads:
                    cells.append(self._cell("train", case, "serial", rows, threads=threads, variant=serial.variant))
                cells += self._parallel("train", case, "serial", rows, variant=serial.variant)
            for method in self.methods:
                if method == "engine" or (method == "limit" and case.group == "mlp"):
                    own = block if method == "limit" else None
                    cells.append(self._cell("train", case, method, rows, block=own))
                    cells += self._parallel("train", case, method, rows, block=own)
            self._measure(cells)

    def rule(self, case: Case) -> None:
        """The engine with its own rule for rows at once, and with 1, 2, 4, ... of them."""
        say(f"\nrows at once, {case.title}")
        rows = TRIED[case.group] if self.device == "cpu" else TRIED_ON_GPU
        sizes = [None, *(1 << k for k in range(rows.bit_length()))]
        self._measure([self._cell("rule", case, "engine", rows, block=size) for size in sizes])

    def scaling(self) -> None:
        """The smallest MLP: time against the number of networks, and against the number of steps."""
        case = cases.TRAINED[0]
        say(f"\nscaling, {case.title}")
        self._measure([self._cell("networks", case, "engine", 1 << k) for k in range(11)])
        epochs = [case.epoch << k for k in range(7)]
        self._measure([self._cell("steps", case, "engine", 32, steps=steps) for steps in epochs])

    def thousand(self) -> None:
        """A thousand networks of the smallest MLP from nothing to trained: processes, imports and all."""
        case = cases.TRAINED[0]
        say(f"\na thousand networks, {case.title}, {EPOCHS} epochs")
        steps = EPOCHS * case.epoch
        self._measure(
            [self._cell("thousand", case, "engine", 1000, processes=self._processes, steps=steps, whole=True)]
        )

    def evaluate(self) -> None:
        """Losses of many networks on 10,000 examples."""
        for case, rows in zip(cases.EVALUATED, (24 * cases.POINTS, 100), strict=True):
            say(f"\nevaluation, {case.title}")
            cells = []
            for threads in self._threads:
                for variant in ("", "1000"):
                    cells.append(self._cell("evaluate", case, "serial", rows, threads=threads, variant=variant))
                cells.append(self._cell("evaluate", case, "engine", rows, threads=threads))
            self._measure(cells)

    def _rows(self, case: Case) -> tuple[int, ...]:
        """The numbers of networks that this case is measured with."""
        if self.rows is not None:
            return self.rows
        most = MOST.get(case.group, max(ROWS)) if self.device == "cpu" else max(ROWS)
        return tuple(rows for rows in ROWS if rows <= most)

    def _serial(self, case: Case) -> Result:
        """The serial loop with the fastest of PyTorch's optimizers and layouts of images, of one network."""
        layouts = ("", " channels_last") if len(case.shape) == 3 else ("",)
        variants = [optimizer + layout for optimizer in ("fused", "foreach") for layout in layouts]
        return self._best([self._cell("choice", case, "serial", 1, variant=variant) for variant in variants])

    def _block(self, case: Case) -> int | None:
        """How many networks the limit is fastest with, of the most that there are."""
        if "limit" not in self.methods or case.group != "mlp":
            return None
        rows = max(self._rows(case))
        sizes = dict.fromkeys(min(size, rows) for size in (8, 32, rows))
        return self._best([self._cell("choice", case, "limit", rows, block=size) for size in sizes]).block

    def _process(self, case: Case, serial: Result) -> Cell:
        timed = max(2, int(SECONDS_OF_SCRIPT * 1e6 / serial.us_per_step_network))
        return self._cell(
            "train",
            case,
            "process",
            self._processes,
            processes=self._processes,
            variant=serial.variant,
            steps=SCRIPT,
            whole=True,
            timed=timed if timed < SCRIPT else None,
        )

    def _parallel(self, part: str, case: Case, method: str, rows: int, **more: str | int | None) -> Iterator[Cell]:
        """The networks shared out among processes, one to a core, where there are several of both."""
        processes = min(self._processes, rows)
        if processes > 1:
            yield self._cell(part, case, method, rows, processes=processes, **more)

    def _cell(self, part: str, case: Case, method: str, rows: int, **more: str | int | None) -> Cell:
        return Cell(part, case.name, method, rows, device=self.device, precision=self.precision, **more)

    def _best(self, cells: list[Cell]) -> Result:
        return min(self._measure(cells), key=lambda result: (result.n == 0, result.us_per_step_network))

    def _measure(self, cells: list[Cell]) -> list[Result]:
        found = measure(cells, self.seconds)
        self.results += found
        return found

    @property
    def _processes(self) -> int:
        """Processes that work at the same time: one a core, and one on a GPU."""
        return self.cores if self.device == "cpu" else 1

    @property
    def _threads(self) -> tuple[int, ...]:
        """Numbers of threads to try: one and all; on a GPU they make no difference."""
        return tuple(dict.fromkeys((1, self.cores))) if self.device == "cpu" else (1,)

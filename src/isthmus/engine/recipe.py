"""What a run is, as numbers only: the recipe of a fleet, and of each of its networks. Imports no torch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.store import canonical_json, digest


@dataclass(frozen=True)
class Named:
    """A model, optimizer or schedule by the name of its module or function, with its settings."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Perturbation:
    """What is added to a network after `at` updates: `sigma` times a direction of the kind named.

    Kinds: `gaussian` and `batch` (the gradient of one fresh batch), both as long as the initial weights at
    sigma = 1; `weight` (one scalar, moved by sigma standard deviations of its initialisation times a draw).
    draw: which of many independent directions.
    """

    at: int
    kind: str
    sigma: float
    draw: int = 0


@dataclass(frozen=True)
class Network:
    """What distinguishes one row of a fleet.

    seed: initialisation, data order and noise. order: 0 is the seed's own data order, k its k-th independent
    one; dropout and augmentation follow it. lr: peak learning rate. parent: the row, in the parent run's fleet,
    that a branch begins at.
    """

    seed: int
    lr: float
    order: int = 0
    perturbation: Perturbation | None = None
    parent: int | None = None


@dataclass(frozen=True)
class Branch:
    """Where a run begins that goes on from another run's networks.

    parent: that run's recipe, so that this one changes with it. at: updates that the parent's networks had taken;
    schedule and data order go on from there. memory: whether the optimizer's memory comes along (the parent must
    have kept it) or begins anew.
    """

    parent: "Recipe"
    at: int
    memory: bool = False


@dataclass(frozen=True)
class Probe:
    """What is recorded after each of `at` updates: a probe of engine/probes.py.

    examples: it sees so many of the training set, the first ones, or all of it, and sees them as they are: without
    augmentation, dropout or bfloat16.
    """

    name: str
    at: tuple[int, ...]
    examples: int | None = None


@dataclass(frozen=True)
class Recipe:
    """Everything that the bits of a run depend on, apart from code and libraries.

    steps, checkpoints, memory: updates; at the last two, rows and the optimizer's memory are kept. chunk: networks
    computed together (part of the recipe: another grouping may round differently). lazy: alpha of the kernel
    regime, or None. frozen: patterns of names of parameters that stay as they begin. augment: what is done to
    images while training (engine/augment.py). precision: of products while training, float32 or bfloat16. threads:
    of the process that trains.
    """

    data: str
    model: Named
    optimizer: Named
    schedule: Named
    batch: int
    steps: int
    networks: tuple[Network, ...]
    chunk: int
    checkpoints: tuple[int, ...]
    loss: str = "cross_entropy"
    lazy: float | None = None
    branch: Branch | None = None
    memory: tuple[int, ...] = ()
    frozen: tuple[str, ...] = ()
    augment: Mapping[str, Any] = field(default_factory=dict)
    probes: tuple[Probe, ...] = ()
    precision: str = "float32"
    threads: int = 1

    @property
    def chunks(self) -> list[slice]:
        """The rows of each chunk, in order."""
        total = len(self.networks)
        return [slice(start, min(start + self.chunk, total)) for start in range(0, total, self.chunk)]

    @property
    def lineage(self) -> Iterator["Recipe"]:
        """This recipe, the one that it branches from, and so on back to one that begins at initialisation."""
        yield self
        if self.branch is not None:
            yield from self.branch.parent.lineage

    @property
    def memory_begins(self) -> int:
        """The update from which on the optimizer's memory gathers: of a branch without it, where it begins."""
        if self.branch is None:
            return 0
        return self.branch.parent.memory_begins if self.branch.memory else self.branch.at

    def canonical(self) -> str:
        """One line of JSON: equal for equal recipes."""
        return canonical_json(self)

    def digest(self) -> str:
        """SHA-256 of the canonical form."""
        return digest(self.canonical())

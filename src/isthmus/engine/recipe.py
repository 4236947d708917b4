"""What a run is, as numbers only: the recipe of a fleet, and of each of its networks. Imports no torch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
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
class Mask:
    """Which weights of one network are zero and stay so.

    kind: one of pruning/kinds.py. density: share of the prunable weights that is kept, for kinds that choose. row:
    the network, in the fleet that the masks come from, whose weights or mask are read.
    """

    kind: str
    density: float | None = None
    row: int | None = None


@dataclass(frozen=True)
class Penalty:
    """What is added to the loss: a network's own peak times the shape's factor times a sum over weights.

    of: scale, shift, norm (both) or weights (these too; no biases). form: lasso, the sum of |w|, or ridge, half the
    sum of w^2. shape: one_cycle or constant (engine/schedules.py), over `span` updates.
    """

    of: str
    form: str
    shape: str
    span: int


@dataclass(frozen=True)
class Noise:
    """Normal noise on parameters after each update: its deviation is a network's own peak times the shape's factor.

    where: live, only scalars whose gradient (the penalty's apart) is not zero, or all. shape, span: as of Penalty.
    """

    where: str
    shape: str
    span: int


@dataclass(frozen=True)
class Removal:
    """Units are looked at before every `every`-th update and at the end.

    examples: of the training set, the first ones, that a look for dead units sees, or None for all.
    """

    every: int
    examples: int | None = None


@dataclass(frozen=True)
class Network:
    """What distinguishes one row of a fleet.

    seed: initialisation, data order and noise. order: 0 is the seed's own data order, k its k-th independent
    one; dropout and augmentation follow it. lr: peak learning rate. parent: the row, in the parent run's fleet,
    that a branch begins at. mask: None keeps every weight. penalty, noise: peaks of the recipe's. remove: which
    units are removed, one of removal/kinds.py, or None. units: share of them that is kept, for kinds that choose.
    """

    seed: int
    lr: float
    order: int = 0
    perturbation: Perturbation | None = None
    parent: int | None = None
    mask: Mask | None = None
    penalty: float = 0.0
    noise: float = 0.0
    remove: str | None = None
    units: float | None = None


@dataclass(frozen=True)
class Branch:
    """Where a run begins that goes on from another run's networks.

    parent: that run's recipe, so that this one changes with it. at: updates that the parent's networks had taken;
    schedule and data order go on from there, or, if fresh, begin anew. memory: whether the optimizer's memory comes
    along (the parent must have kept it) or begins anew.
    """

    parent: "Recipe"
    at: int
    memory: bool = False
    fresh: bool = False

    @property
    def step(self) -> int:
        """The update, of schedule and data order, that the branch's first one is."""
        return 0 if self.fresh else self.at


@dataclass(frozen=True)
class Pruning:
    """Where the masks of a run's networks come from, and what they may leave out.

    giver: recipe of the fleet whose networks, as they end, give weights or masks; None where each network is pruned
    by what it is itself before its first update. spared: patterns of names of weights that are never pruned. rate:
    share of the weights that a round prunes. slower: pattern -> factor of the rate there; with `layerwise` every
    layer is pruned alike but for these, otherwise all weights are compared with each other. align: how units are
    matched where a mask is carried over to another network (pruning/transfer.py). examples: of each class, for
    kinds that look at data.
    """

    giver: "Recipe | None" = None
    spared: tuple[str, ...] = ()
    layerwise: bool = False
    rate: float = 0.2
    slower: Mapping[str, float] = field(default_factory=dict)
    align: str = "pearson"
    examples: int = 10


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
    of the process that trains. held_out: share of the training set that each network, by its seed, never trains on.
    removal: of networks that lose units, all others stay whole.
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
    pruning: Pruning | None = None
    memory: tuple[int, ...] = ()
    frozen: tuple[str, ...] = ()
    augment: Mapping[str, Any] = field(default_factory=dict)
    probes: tuple[Probe, ...] = ()
    precision: str = "float32"
    threads: int = 1
    held_out: float = 0.0
    penalty: Penalty | None = None
    noise: Noise | None = None
    removal: Removal | None = None

    @cached_property
    def chunks(self) -> list[slice]:
        """The rows of each chunk, in order."""
        total = len(self.networks)
        return [slice(start, min(start + self.chunk, total)) for start in range(0, total, self.chunk)]

    @property
    def parents(self) -> tuple["Recipe", ...]:
        """The recipes of the fleets that this one begins at, or has its masks from."""
        found = (self.branch and self.branch.parent, self.pruning and self.pruning.giver)
        return tuple(recipe for recipe in found if recipe is not None)

    @property
    def lineage(self) -> Iterator["Recipe"]:
        """This recipe, those that it branches from and is pruned by, and so on back, each once."""
        found, left = {}, [self]
        while left:
            recipe = left.pop(0)
            if recipe.digest() not in found:
                found[recipe.digest()] = recipe
                left += recipe.parents
        yield from found.values()

    @property
    def looks(self) -> tuple[int, ...]:
        """The updates before which units are counted, and the end."""
        if self.removal is None:
            return ()
        first = 0 if self.branch is None else self.branch.step
        return (*range(first, self.steps, self.removal.every), self.steps)

    @property
    def memory_begins(self) -> int:
        """The update from which on the optimizer's memory gathers: of a branch without it, where it begins."""
        if self.branch is None:
            return 0
        return self.branch.parent.memory_begins if self.branch.memory else self.branch.step

    def canonical(self) -> str:
        """One line of JSON: equal for equal recipes. Of the parents it holds the digests, for chains are long."""
        parts = _written(self)
        return canonical_json(parts | {"networks": [_written(network) for network in self.networks]})

    def digest(self) -> str:
        """SHA-256 of the canonical form."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return digest(self.canonical())


# Younger than fleets that are kept: where these fields are unset, the form is the one that those have.
_YOUNG = ("held_out", "penalty", "noise", "removal", "remove", "units")


def _written(part: Any) -> dict[str, Any]:
    """The fields of a dataclass, without the young ones that are unset."""
    values = {one.name: getattr(part, one.name) for one in fields(part)}
    return {name: value for name, value in values.items() if value or name not in _YOUNG}

"""The networks of a run as people write them: blocks of values, each combination of them a network. No torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator

from isthmus.engine.recipe import Mask, Network, Perturbation, Recipe
from isthmus.pruning.kinds import KINDS
from isthmus.removal.kinds import KINDS as REMOVALS
from isthmus.times import Clock, Time
from isthmus.typed import Spec

Kind = Literal["magnitude", "random", "snip", "grasp", "synflow", "same", "shuffled", "reordered", "aligned"]
Removed = Literal["dead", "random", "snap", "cropit", "early_cropit"]


class Networks(Spec):
    """A block of networks per seed: every combination of the values listed, in this order of keys."""

    lr: PositiveFloat | tuple[PositiveFloat, ...] | None = Field(
        None, description="peak learning rate; null: the run's, or else of a branch the parent network's"
    )
    order: int | tuple[int, ...] | None = Field(
        None, description="of data; null: the seed's own, which is 0, or of a branch the parent network's"
    )
    of: NonNegativeInt | tuple[NonNegativeInt, ...] | None = Field(
        None, description="of a branch only: which of the parent run's networks of this seed, from 0, which null is"
    )
    perturb: Literal["gaussian", "batch", "weight"] | None = None
    at: Time | tuple[Time, ...] | None = None
    sigma: float | tuple[float, ...] | None = None
    draw: int | tuple[int, ...] = 0
    mask: Kind | tuple[Kind, ...] | None = Field(None, description="which weights are kept; null: all")
    density: float | tuple[float, ...] | None = Field(
        None, description="share of the prunable weights that a mask keeps, where its kind chooses"
    )
    mask_of: NonNegativeInt = Field(0, description="which network of this seed's, in prune.run, gives its mask")
    penalty: NonNegativeFloat | tuple[NonNegativeFloat, ...] | None = Field(
        None, description="peak factor of the run's penalty; null: 0"
    )
    noise: NonNegativeFloat | tuple[NonNegativeFloat, ...] | None = Field(
        None, description="peak standard deviation of the run's noise; null: 0"
    )
    remove: Removed | tuple[Removed, ...] | None = Field(None, description="which units are removed; null: none")
    units: float | tuple[float, ...] | None = Field(
        None, description="share of the hidden units that is kept, where the kind of removal chooses"
    )

    @model_validator(mode="after")
    def _whole(self) -> "Networks":
        given = [key for key in ("perturb", "at", "sigma") if getattr(self, key) is not None]
        if len(given) not in (0, 3):
            raise ValueError(f"wanted perturb, at and sigma together, found only {', '.join(given)}")
        kinds = [] if self.mask is None else several(self.mask)
        choosing = [kind for kind in kinds if KINDS[kind].chooses]
        if self.density is None and choosing:
            raise ValueError(f"wanted density beside mask: {choosing[0]}, found none")
        if self.density is not None and len(choosing) < max(1, len(kinds)):
            found = next((kind for kind in kinds if kind not in choosing), "no mask")
            raise ValueError(f"wanted density only beside masks that choose what to keep, found it with {found}")
        if outside := [share for share in several(self.density) if share is not None and not 0 < share <= 1]:
            raise ValueError(f"density: wanted a share of the weights, above 0 and at most 1, found {outside[0]}")
        return self

    @model_validator(mode="after")
    def _units(self) -> "Networks":
        kinds = [] if self.remove is None else several(self.remove)
        choosing = [kind for kind in kinds if REMOVALS[kind].chooses]
        if self.units is None and choosing:
            raise ValueError(f"wanted units beside remove: {choosing[0]}, found none")
        if self.units is not None and len(choosing) < max(1, len(kinds)):
            found = next((kind for kind in kinds if kind not in choosing), "no removal")
            raise ValueError(f"wanted units only beside removals that choose what to keep, found it with {found}")
        if outside := [share for share in several(self.units) if share is not None and not 0 < share <= 1]:
            raise ValueError(f"units: wanted a share of the units, above 0 and at most 1, found {outside[0]}")
        return self


@dataclass(frozen=True)
class Around:
    """What a block's networks lie in: the run's clock and rate, the recipes of its parents, its first seed, and
    which of the keys that a block may use the run has (`prune`, `penalty`, `noise`, `removal`).
    """

    clock: Clock
    lr: float | None
    first_seed: int
    branch: Recipe | None = None
    has: frozenset[str] = frozenset()
    giver: Recipe | None = None


def cells(block: Networks, seed: int, around: Around) -> Iterator[Network]:
    """The networks of one seed that a block means, every combination of its values; ValueError as in Run.recipe."""
    kicks: list[Perturbation | None] = [None]
    if block.perturb is not None:
        times = [around.clock.at(time, "networks.at") for time in several(block.at)]
        each = product(times, several(block.sigma), several(block.draw))
        kicks = [Perturbation(at, block.perturb, sigma, draw) for at, sigma, draw in each]
    rates = several(around.lr if block.lr is None else block.lr)
    rows, masks = _rows(around.branch, seed, block.of), _masks(block, seed, around)
    more = _peaks_and_units(block, around)
    for lr, order, row, kick, mask, own in product(rates, several(block.order), rows, kicks, masks, more):
        if lr is None and row is None:
            raise ValueError("lr: wanted a learning rate here or in each block of networks, found none")
        begins = Network(seed, lr) if row is None else around.branch.networks[row]
        yield Network(seed, lr or begins.lr, begins.order if order is None else order, kick, row, mask, **own)


def several(value: Any) -> tuple:
    """The values listed, or the one value."""
    return value if isinstance(value, tuple) else (value,)


def _rows(parent: Recipe | None, seed: int, of: Any) -> list[int | None]:
    """Rows of the parent's fleet: of its networks of this seed, those of these numbers. [None] without a parent."""
    if parent is None:
        if of is not None:
            raise ValueError(f"networks: wanted `of` only in a run with a branch, found {of}")
        return [None]
    rows = [row for row, network in enumerate(parent.networks) if network.seed == seed]
    numbers = several(0 if of is None else of)
    if missing := [number for number in numbers if number >= len(rows)]:
        raise ValueError(
            f"branch.run: wanted number {missing[0]} of its networks of seed {seed}, found {len(rows)} of them"
        )
    return [rows[number] for number in numbers]


def _masks(block: Networks, seed: int, around: Around) -> list[Mask | None]:
    """The masks of a block's networks."""
    if block.mask is None:
        return [None]
    _wants("mask", "prune", around)
    kinds = several(block.mask)
    if needy := [kind for kind in kinds if KINDS[kind].needs_giver and around.giver is None]:
        raise ValueError(f"prune.run: wanted a run that gives masks, for mask: {needy[0]}, found none")
    if "aligned" in kinds and around.branch is None:
        raise ValueError("branch: wanted a run whose trained networks are matched, for mask: aligned, found none")
    row = None if around.giver is None else _giver_row(around, seed, block.mask_of)
    return [Mask(kind, density, row) for kind, density in product(kinds, several(block.density))]


def _peaks_and_units(block: Networks, around: Around) -> list[dict[str, Any]]:
    """Penalty, noise and removal of a block's networks, as fields of Network."""
    for key, of in {"penalty": "penalty", "noise": "noise", "remove": "removal"}.items():
        if getattr(block, key) is not None:
            _wants(key, of, around)
    each = product(*(several(getattr(block, key)) for key in ("penalty", "noise", "remove", "units")))
    return [
        {"penalty": penalty or 0.0, "noise": noise or 0.0, "remove": remove, "units": units}
        for penalty, noise, remove, units in each
    ]


def _wants(key: str, of: str, around: Around) -> None:
    """ValueError unless the run has what a key of its networks needs."""
    if of not in around.has:
        raise ValueError(f"networks: wanted `{key}` only in a run with `{of}`, found it without")


def _giver_row(around: Around, seed: int, number: int) -> int:
    """The row of the fleet that gives masks: the k-th seed here takes from the k-th seed there."""
    seeds = list(dict.fromkeys(network.seed for network in around.giver.networks))
    place = seed - around.first_seed
    if place >= len(seeds):
        raise ValueError(f"prune.run: wanted a run of at least {place + 1} seeds, found {len(seeds)}")
    rows = [row for row, network in enumerate(around.giver.networks) if network.seed == seeds[place]]
    if number >= len(rows):
        raise ValueError(f"networks.mask_of: wanted one of the {len(rows)} networks of a seed, found {number}")
    return rows[number]

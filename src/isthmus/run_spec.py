"""How a fleet is trained, as people write it: one run of a `study.yaml`, and the recipe that it means. No torch."""

from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from isthmus.data import register
from isthmus.engine import recipe as plain
from isthmus.engine.recipe import Network, Perturbation, Recipe
from isthmus.parts import Model, Optimizer, Schedule
from isthmus.store import canonical_json
from isthmus.times import Clock, Time
from isthmus.typed import Name, Spec


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

    @model_validator(mode="after")
    def _whole(self) -> "Networks":
        given = [key for key in ("perturb", "at", "sigma") if getattr(self, key) is not None]
        if len(given) not in (0, 3):
            raise ValueError(f"wanted perturb, at and sigma together, found only {', '.join(given)}")
        return self


class Branch(Spec):
    """Where a run begins: at the networks of another run of this study, as they were at a checkpoint."""

    run: Name
    at: Time = Field(description="one of that run's checkpoints, in its own time")
    memory: bool = Field(False, description="with the optimizer's memory, which that run must keep (`memory`)")


class Probe(Spec):
    """What is recorded of the networks on the training set at named times."""

    probe: Literal["loss", "gradient_norm", "activations", "dead_units", "kernel"]
    at: Time | tuple[Time, ...]
    examples: PositiveInt | None = Field(None, description="of the training set, the first so many; null: all")


class Augment(Spec):
    """What is done to images while training, anew for each network and update."""

    flip: bool = Field(False, description="left-right, each image with a chance of one half")
    crop: NonNegativeInt = Field(0, description="pixels by which an image is padded before it is cropped at random")
    translate: NonNegativeInt = Field(0, description="pixels of the largest shift")
    rotate: float = Field(0.0, ge=0, le=180, description="degrees of the largest turn, either way")


class Run(Spec):
    """How a fleet is trained: data, model, optimizer, schedule, seeds; or `from`, another room's run."""

    data: str
    model: Model
    optimizer: Optimizer
    schedule: Schedule
    lr: PositiveFloat | None = Field(None, description="peak learning rate, where a block of networks names none")
    loss: Literal["cross_entropy", "squared"] = "cross_entropy"
    batch: PositiveInt
    time: Time
    seeds: PositiveInt = Field(description="how many seeds")
    first_seed: int = Field(description="seeds are first_seed, first_seed + 1, ...")
    networks: tuple[Networks, ...] = (Networks(),)
    chunk: PositiveInt = Field(description="networks computed together by one job")
    checkpoints: tuple[Time, ...] = Field((), description="when networks are kept, besides the end")
    memory: tuple[Time, ...] = Field((), description="when the optimizer's memory is kept too, for branches")
    lazy: PositiveFloat | None = Field(None, description="alpha of the kernel regime")
    branch: Branch | None = None
    frozen: tuple[str, ...] = Field((), description="parameters that stay as they begin, such as layers.0.*")
    augment: Augment = Augment()
    probes: tuple[Probe, ...] = ()
    precision: Literal["float32", "bfloat16"] = Field("float32", description="of products while training")
    threads: PositiveInt = 1

    @model_validator(mode="after")
    def _exact_enough(self) -> "Run":
        # Its outputs are small differences times alpha, of which bfloat16 leaves little.
        if self.lazy is not None and self.precision != "float32":
            raise ValueError(f"precision: wanted float32 in the kernel regime (lazy), found {self.precision}")
        return self

    def recipe(self, parent: Recipe | None = None) -> Recipe:
        """The recipe: times turned into updates, blocks into networks, seed by seed. parent: the branch's run's.

        Raises ValueError, beginning with the key, for what does not fit the data, the run's time or the parent.
        """
        per_epoch = _per_epoch(self.data, self.batch)
        steps = Clock(per_epoch).at(self.time, "time")
        branch = None if parent is None else self._branch(parent, steps)
        clock = Clock(per_epoch, steps, 0 if branch is None else branch.at)
        memory = clock.all(self.memory, "memory")
        networks = tuple(
            network
            for seed in range(self.first_seed, self.first_seed + self.seeds)
            for block in self.networks
            for network in self._cells(block, seed, clock, parent)
        )
        if not networks:
            raise ValueError("networks: wanted at least one network, found an empty list of blocks or of values")
        return Recipe(
            data=self.data,
            model=self.model.named(),
            optimizer=self.optimizer.named(),
            schedule=self.schedule.named(),
            batch=self.batch,
            steps=steps,
            networks=networks,
            chunk=self.chunk,
            checkpoints=tuple(sorted({steps, *clock.all(self.checkpoints, "checkpoints"), *memory})),
            loss=self.loss,
            lazy=self.lazy,
            branch=branch,
            memory=memory,
            frozen=self.frozen,
            augment=self._augment(),
            probes=self._probes(clock),
            precision=self.precision,
            threads=self.threads,
        )

    def _branch(self, parent: Recipe, steps: int) -> plain.Branch:
        """The branch, once it is sure that the parent has what it wants."""
        begin, there = self.branch, self.branch.run
        at = Clock(_per_epoch(parent.data, parent.batch), parent.steps, run=there).at(begin.at, "branch.at")
        same = {
            "inputs and classes": (_content(self.data), _content(parent.data)),
            "model": (self.model.named(), parent.model),
            "lazy": (self.lazy, parent.lazy),
        }
        kept = {"checkpoints": parent.checkpoints}
        if begin.memory:
            same["optimizer"] = self.optimizer.named().name, parent.optimizer.name
            kept["memory"] = parent.memory
        for key, (ours, theirs) in same.items():
            if ours != theirs:
                found = canonical_json(theirs)
                raise ValueError(f"branch.run: wanted a run with the {key} of this one, found {found} in {there}")
        for key, times in kept.items():
            if at not in times:
                known = f"one of the {key} of {there} ({', '.join(map(str, times)) or 'none'})"
                raise ValueError(f"branch.at: wanted {known}, found {begin.at!r} = {at}")
        if at > steps:
            wanted = f"wanted a time within the run's own {steps} updates"
            raise ValueError(f"branch.at: {wanted}, found {begin.at!r} = {at}")
        return plain.Branch(parent, at, begin.memory)

    def _augment(self) -> dict[str, Any]:
        """What is done to images, without what does nothing."""
        wanted = {name: value for name, value in self.augment if value}
        shape, _ = _content(self.data)
        if wanted and len(shape) != 3:
            raise ValueError(f"augment: wanted data of images, found inputs of shape {shape} in {self.data}")
        return wanted

    def _probes(self, clock: Clock) -> tuple[plain.Probe, ...]:
        """The probes, once it is sure that each has its examples and records once at a time."""
        found = tuple(plain.Probe(p.probe, clock.all(_several(p.at), "probes"), p.examples) for p in self.probes)
        most = register.sizes(self.data)["train"]
        if large := [probe.examples for probe in found if (probe.examples or 0) > most]:
            raise ValueError(f"probes: wanted at most the {most} training examples, found {large[0]}")
        times = Counter((probe.name, at) for probe in found for at in probe.at)
        if twice := [f"{name} at {at}" for (name, at), count in times.items() if count > 1]:
            raise ValueError(f"probes: wanted each probe once at a time, found {twice[0]} twice")
        return found

    def _cells(self, block: Networks, seed: int, clock: Clock, parent: Recipe | None) -> Iterator[Network]:
        """The networks of one seed that a block means, every combination of its values."""
        kicks: list[Perturbation | None] = [None]
        if block.perturb is not None:
            times = [clock.at(time, "networks.at") for time in _several(block.at)]
            cells = product(times, _several(block.sigma), _several(block.draw))
            kicks = [Perturbation(at, block.perturb, sigma, draw) for at, sigma, draw in cells]
        rates = _several(self.lr if block.lr is None else block.lr)
        rows = _rows(parent, seed, block.of)
        for lr, order, row, kick in product(rates, _several(block.order), rows, kicks):
            if lr is None and row is None:
                raise ValueError("lr: wanted a learning rate here or in each block of networks, found none")
            begins = Network(seed, lr) if row is None else parent.networks[row]
            yield Network(seed, lr or begins.lr, begins.order if order is None else order, kick, row)


def _rows(parent: Recipe | None, seed: int, of: Any) -> list[int | None]:
    """Rows of the parent's fleet: of its networks of this seed, those of these numbers. [None] without a parent."""
    if parent is None:
        if of is not None:
            raise ValueError(f"networks: wanted `of` only in a run with a branch, found {of}")
        return [None]
    rows = [row for row, network in enumerate(parent.networks) if network.seed == seed]
    numbers = _several(0 if of is None else of)
    if missing := [number for number in numbers if number >= len(rows)]:
        raise ValueError(
            f"branch.run: wanted number {missing[0]} of its networks of seed {seed}, found {len(rows)} of them"
        )
    return [rows[number] for number in numbers]


def _several(value: Any) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def _content(data: str) -> tuple[tuple[int, ...], int]:
    """Shape of an input and number of classes of a data set, by its key."""
    entry = register.entry(register.parse(data).set)
    return entry.shape, entry.classes


def _per_epoch(data: str, batch: int) -> int:
    """Updates in one pass over the training set; ValueError where it holds not one batch."""
    examples = register.sizes(data)["train"]
    if batch > examples:
        raise ValueError(f"batch: wanted at most the {examples} training examples, found {batch}")
    return examples // batch

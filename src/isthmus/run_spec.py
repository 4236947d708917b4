"""How a fleet is trained, as people write it: one run of a `study.yaml`, and the recipe that it means. No torch."""

from collections import Counter
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from isthmus.data import register
from isthmus.engine import recipe as plain
from isthmus.engine.recipe import Recipe
from isthmus.network_spec import Around, Networks, cells, several
from isthmus.parts import Model, Optimizer, Schedule
from isthmus.pruning.schedule import densities
from isthmus.run_parts import Augment, Branch, Noise, Penalty, Probe, Prune, Removal, Rounds
from isthmus.store import canonical_json
from isthmus.times import Clock, Time
from isthmus.typed import Spec


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
    prune: Prune | None = None
    rounds: Rounds | None = None
    penalty: Penalty | None = None
    noise: Noise | None = None
    removal: Removal | None = None
    frozen: tuple[str, ...] = Field((), description="parameters that stay as they begin, such as layers.0.*")
    augment: Augment = Augment()
    probes: tuple[Probe, ...] = ()
    precision: Literal["float32", "bfloat16"] = Field("float32", description="of products while training")
    threads: PositiveInt = 1
    held_out: float = Field(
        0.0, ge=0, lt=1, description="share of the training set that each network, by its seed, never trains on"
    )

    @model_validator(mode="after")
    def _exact_enough(self) -> "Run":
        # Its outputs are small differences times alpha, of which bfloat16 leaves little.
        if self.lazy is not None and self.precision != "float32":
            raise ValueError(f"precision: wanted float32 in the kernel regime (lazy), found {self.precision}")
        return self

    @model_validator(mode="after")
    def _removes(self) -> "Run":
        if self.removal is None:
            return self
        others = {"prune": self.prune, "rounds": self.rounds, "lazy": self.lazy}
        if found := [name for name, value in others.items() if value is not None]:
            raise ValueError(f"removal: wanted a run without {', '.join(others)}, found {found[0]}")
        if self.precision != "float32":
            raise ValueError(f"precision: wanted float32 where units are removed (removal), found {self.precision}")
        return self

    @model_validator(mode="after")
    def _chain(self) -> "Run":
        if self.rounds is None:
            return self
        if self.prune is not None and self.prune.run is not None:
            raise ValueError(f"prune.run: wanted none in a chain of rounds, found {self.prune.run}")
        if masked := [block.mask for block in self.networks if block.mask is not None]:
            raise ValueError(f"networks: wanted no mask in a chain of rounds, found {masked[0]}")
        if self.branch is not None and not self.rounds.rewind:
            raise ValueError("rounds.rewind: wanted true where there is a branch to rewind to, found false")
        self.round_names("")
        return self

    def round_names(self, name: str) -> dict[str, float]:
        """Of a chain of this name: its rounds' own names and the densities that they are pruned to, in order."""
        rate = (self.prune or Prune()).rate
        try:
            found = densities(rate, self.rounds.through)[1:]
        except ValueError as error:
            raise ValueError(f"rounds.through: {error}") from error
        return {f"{name}_{place:02d}": density for place, density in enumerate(found, start=1)}

    def recipe(self, parent: Recipe | None = None, giver: Recipe | None = None) -> Recipe:
        """The recipe: times turned into updates, blocks into networks, seed by seed.

        parent: the recipe of the branch's run. giver: that of the run whose networks give masks. Raises ValueError,
        beginning with the key, for what does not fit the data, the run's time, the parent or the giver.
        """
        per_epoch = _per_epoch(self.data, self.batch, self.held_out)
        steps = Clock(per_epoch).at(self.time, "time")
        branch = None if parent is None else self._branch(parent, steps)
        clock = Clock(per_epoch, steps, 0 if branch is None else branch.step)
        memory = clock.all(self.memory, "memory")
        pruning = None if self.prune is None else self._pruning(giver)
        has = frozenset(key for key in ("prune", "penalty", "noise", "removal") if getattr(self, key) is not None)
        around = Around(clock, self.lr, self.first_seed, parent, has, giver)
        networks = tuple(
            network
            for seed in range(self.first_seed, self.first_seed + self.seeds)
            for block in self.networks
            for network in cells(block, seed, around)
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
            pruning=pruning,
            memory=memory,
            frozen=self.frozen,
            augment=self._augment(),
            probes=self._probes(clock),
            precision=self.precision,
            threads=self.threads,
            held_out=self.held_out,
            **self._moves(clock),
        )

    def _branch(self, parent: Recipe, steps: int) -> plain.Branch:
        """The branch, once it is sure that the parent has what it wants."""
        begin, there = self.branch, self.branch.run
        per_epoch = _per_epoch(parent.data, parent.batch, parent.held_out)
        at = Clock(per_epoch, parent.steps, run=there).at(begin.at, "branch.at")
        same = self._like(parent)
        kept = {"checkpoints": parent.checkpoints}
        if begin.memory:
            same["optimizer"] = self.optimizer.named().name, parent.optimizer.name
            kept["memory"] = parent.memory
        _check_same("branch.run", there, same)
        for key, times in kept.items():
            if at not in times:
                known = f"one of the {key} of {there} ({', '.join(map(str, times)) or 'none'})"
                raise ValueError(f"branch.at: wanted {known}, found {begin.at!r} = {at}")
        if at > steps and not begin.fresh:
            wanted = f"wanted a time within the run's own {steps} updates"
            raise ValueError(f"branch.at: {wanted}, found {begin.at!r} = {at}")
        return plain.Branch(parent, at, begin.memory, begin.fresh)

    def _like(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """What this run's networks and another's must share for rows of one to mean something in the other."""
        return {
            "inputs and classes": (_content(self.data), _content(other.data)),
            "model": (self.model.named(), other.model),
            "lazy": (self.lazy, other.lazy),
        }

    def _pruning(self, giver: Recipe | None) -> plain.Pruning:
        """The pruning, once it is sure that its masks fit this run's networks."""
        if giver is not None:
            _check_same("prune.run", self.prune.run, self._like(giver))
        return plain.Pruning(giver, **self.prune.model_dump(exclude={"run", "density"}))

    def _moves(self, clock: Clock) -> dict[str, Any]:
        """Penalty, noise and removal, with their times as updates."""
        found: dict[str, Any] = {}
        for name, spec, kind in (("penalty", self.penalty, plain.Penalty), ("noise", self.noise, plain.Noise)):
            if spec is not None:
                span = clock.at(spec.span, f"{name}.span")
                if span < 1:
                    raise ValueError(f"{name}.span: wanted at least one update, found {spec.span!r}")
                found[name] = kind(**{**spec.model_dump(), "span": span})
        if self.removal is None:
            return found
        # A length of time, not a moment of the run: it may be shorter than what a branch begins at.
        every = Clock(clock.per_epoch, clock.last).at(self.removal.every, "removal.every")
        if every < 1:
            raise ValueError(f"removal.every: wanted at least one update, found {self.removal.every!r}")
        return found | {"removal": plain.Removal(every, self.removal.examples)}

    def _augment(self) -> dict[str, Any]:
        """What is done to images, without what does nothing."""
        wanted = {name: value for name, value in self.augment if value}
        shape, _ = _content(self.data)
        if wanted and len(shape) != 3:
            raise ValueError(f"augment: wanted data of images, found inputs of shape {shape} in {self.data}")
        return wanted

    def _probes(self, clock: Clock) -> tuple[plain.Probe, ...]:
        """The probes, once it is sure that each has its examples and records once at a time."""
        found = tuple(plain.Probe(p.probe, clock.all(several(p.at), "probes"), p.examples) for p in self.probes)
        most = register.sizes(self.data)["train"]
        if large := [probe.examples for probe in found if (probe.examples or 0) > most]:
            raise ValueError(f"probes: wanted at most the {most} training examples, found {large[0]}")
        times = Counter((probe.name, at) for probe in found for at in probe.at)
        if twice := [f"{name} at {at}" for (name, at), count in times.items() if count > 1]:
            raise ValueError(f"probes: wanted each probe once at a time, found {twice[0]} twice")
        return found


def _check_same(key: str, run: str, parts: dict[str, tuple[Any, Any]]) -> None:
    """ValueError, beginning with the key, unless ours and theirs are equal in each part."""
    for name, (ours, theirs) in parts.items():
        if ours != theirs:
            found = canonical_json(theirs)
            raise ValueError(f"{key}: wanted a run with the {name} of this one, found {found} in {run}")


def _content(data: str) -> tuple[tuple[int, ...], int]:
    """Shape of an input and number of classes of a data set, by its key."""
    entry = register.entry(register.parse(data).set)
    return entry.shape, entry.classes


def _per_epoch(data: str, batch: int, held_out: float) -> int:
    """Updates in one pass over what is not held out; ValueError where it holds not one batch."""
    whole = register.sizes(data)["train"]
    examples = whole - round(held_out * whole)
    if batch > examples:
        raise ValueError(f"batch: wanted at most the {examples} training examples, found {batch}")
    return examples // batch

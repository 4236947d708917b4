"""How a fleet is trained, as people write it: one run of a `study.yaml`, and the recipe that it means. No torch."""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from isthmus.data import register
from isthmus.engine import recipe as plain
from isthmus.engine.recipe import Network, Perturbation, Recipe
from isthmus.parts import Model, Optimizer, Schedule
from isthmus.typed import Name, Spec

_TIME = re.compile(r"^(\d+(?:\.\d+)?)(ep|it|%)$")

Time = Annotated[str, Field(pattern=r"^(\d+(\.\d+)?(ep|it|%)|end)$", description="25ep, 1000it, 2% or end")]


class Networks(Spec):
    """A block of networks per seed: every combination of the values listed, in this order of keys."""

    lr: PositiveFloat | tuple[PositiveFloat, ...] | None = None
    order: int | tuple[int, ...] = 0
    of: NonNegativeInt | tuple[NonNegativeInt, ...] = Field(
        0, description="of a branch: which of the parent run's networks of this seed, from 0"
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
    at: Time
    memory: bool = Field(False, description="with the optimizer's memory, which that run must keep (`memory`)")


class Probe(Spec):
    """What is recorded of the networks on the training set at named times."""

    probe: Literal["loss", "gradient_norm", "activations", "dead_units", "kernel"]
    at: Time | tuple[Time, ...]
    examples: PositiveInt | None = Field(None, description="the first so many; null: all")


class Augment(Spec):
    """What is done to images while training, anew for each network and update."""

    flip: bool = Field(False, description="left-right, every second image")
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

    def recipe(self, parent: Recipe | None = None) -> Recipe:
        """The recipe: times turned into updates, blocks into networks, seed by seed. parent: the branch's run's."""
        examples = register.sizes(self.data)["train"]
        per_epoch = examples // self.batch
        if per_epoch == 0:
            raise ValueError(f"batch: wanted at most the {examples} training examples, found {self.batch}")
        steps = _updates(self.time, per_epoch, None)

        def at(times: Any) -> tuple[int, ...]:
            return tuple(sorted({_updates(time, per_epoch, steps) for time in _several(times) if time is not None}))

        networks = [
            network
            for seed in range(self.first_seed, self.first_seed + self.seeds)
            for block in self.networks
            for network in self._cells(
                block, seed, {time: at(time)[0] for time in _several(block.at) if time}, parent
            )
        ]
        if not networks:
            raise ValueError("networks: wanted at least one network, found an empty list of blocks or of values")
        return Recipe(
            data=self.data,
            model=self.model.named(),
            optimizer=self.optimizer.named(),
            schedule=self.schedule.named(),
            batch=self.batch,
            steps=steps,
            networks=tuple(networks),
            chunk=self.chunk,
            checkpoints=tuple(sorted({steps, *at(self.checkpoints), *at(self.memory)})),
            loss=self.loss,
            lazy=self.lazy,
            branch=None if self.branch is None else self._branch(parent, at(self.branch.at)[0], steps),
            memory=at(self.memory),
            frozen=self.frozen,
            augment={name: value for name, value in self.augment if value},
            probes=tuple(plain.Probe(probe.probe, at(probe.at), probe.examples) for probe in self.probes),
            precision=self.precision,
            threads=self.threads,
        )

    def _branch(self, parent: Recipe, at: int, steps: int) -> plain.Branch:
        """The branch, once it is sure that the parent has what it wants."""
        wants = {
            "run": ("the run's own model", self.model.named(), (parent.model,)),
            "at": ("a checkpoint of the parent run", at, parent.checkpoints),
            "memory": ("the memory kept there (`memory` of the parent run)", at if self.branch.memory else None,
                       (*parent.memory, None)),
        }  # fmt: skip
        for key, (wanted, value, known) in wants.items():
            if value not in known:
                raise ValueError(
                    f"branch.{key}: wanted {wanted}, found {value}; there is {', '.join(map(str, known))}"
                )
        if at > steps:
            raise ValueError(f"branch.at: wanted a time within the run's {steps} updates, found {at}")
        return plain.Branch(parent.digest(), at, self.branch.memory)

    def _cells(self, block: Networks, seed: int, at: Mapping[str, int], parent: Recipe | None) -> Iterator[Network]:
        """The networks of one seed that a block means, every combination of its values."""
        kicks: list[Perturbation | None] = [None]
        if block.perturb is not None:
            cells = product(_several(block.at), _several(block.sigma), _several(block.draw))
            kicks = [Perturbation(at[time], block.perturb, sigma, draw) for time, sigma, draw in cells]
        parents = [None] if parent is None else _parents(parent, seed, _several(block.of))
        rates = _several(self.lr if block.lr is None else block.lr)
        for lr, order, row, kick in product(rates, _several(block.order), parents, kicks):
            if lr is None and row is None:
                raise ValueError("lr: wanted a learning rate here or in each block of networks, found none")
            yield Network(seed, parent.networks[row].lr if lr is None else lr, order, kick, row)


def _parents(parent: Recipe, seed: int, numbers: tuple[int, ...]) -> list[int]:
    """Rows of the parent's fleet: of its networks of this seed, those of these numbers."""
    rows = [row for row, network in enumerate(parent.networks) if network.seed == seed]
    if missing := [number for number in numbers if number >= len(rows)]:
        wanted = f"wanted at least {missing[0] + 1} networks of seed {seed} in the parent run"
        raise ValueError(f"branch: {wanted}, found {len(rows)}")
    return [rows[number] for number in numbers]


def _several(value: Any) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def _updates(time: str, per_epoch: int, steps: int | None) -> int:
    """The number of updates that a time means in a run of `steps` updates; None while those are not known."""
    if steps is None and (time == "end" or time.endswith("%")):
        raise ValueError(f"time: wanted epochs or updates such as 25ep or 1000it, found {time!r}")
    if time == "end":
        return steps
    number, unit = _TIME.match(time).groups()
    updates = round(float(number) * {"ep": per_epoch, "it": 1, "%": (steps or 0) / 100}[unit])
    if steps is not None and updates > steps:
        raise ValueError(f"wanted a time within the run's {steps} updates, found {time!r} = {updates}")
    return updates

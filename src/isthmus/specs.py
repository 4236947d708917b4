"""The typed form of what people write: a room's `study.yaml`, its overlays, and `config.yaml`. Imports no torch.

A study is the laptop scale; each other scale and each variant is an overlay, merged over it key by key.
"""

import re
from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, model_validator

from isthmus.data import register
from isthmus.engine.recipe import Network, Perturbation, Recipe
from isthmus.parts import Model, Optimizer, Schedule
from isthmus.typed import Spec

NAME = r"^[a-z][a-z0-9_]*$"
_TIME = re.compile(r"^(\d+(?:\.\d+)?)(ep|it|%)$")

Name = Annotated[str, Field(pattern=NAME)]
Time = Annotated[str, Field(pattern=r"^(\d+(\.\d+)?(ep|it|%)|end)$", description="25ep, 1000it, 2% or end")]


class Networks(Spec):
    """A block of networks per seed: every combination of the values listed, in this order of keys."""

    lr: PositiveFloat | tuple[PositiveFloat, ...] | None = None
    order: int | tuple[int, ...] = 0
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
    lazy: PositiveFloat | None = Field(None, description="alpha of the kernel regime")
    threads: PositiveInt = 1

    def recipe(self) -> Recipe:
        """The recipe: times turned into updates, blocks into networks, seed by seed."""
        examples = register.sizes(self.data)["train"]
        per_epoch = examples // self.batch
        if per_epoch == 0:
            raise ValueError(f"batch: wanted at most the {examples} training examples, found {self.batch}")
        steps = _updates(self.time, per_epoch, None)
        at = {time: _updates(time, per_epoch, steps) for time in self._times()}
        networks = [
            Network(seed, lr, order, kick)
            for seed in range(self.first_seed, self.first_seed + self.seeds)
            for block in self.networks
            for lr, order, kick in self._cells(block, at)
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
            checkpoints=tuple(sorted({steps, *(at[time] for time in self.checkpoints)})),
            loss=self.loss,
            lazy=self.lazy,
            threads=self.threads,
        )

    def _times(self) -> set[str]:
        blocks = [time for block in self.networks for time in _several(block.at) if time is not None]
        return {*self.checkpoints, *blocks}

    def _cells(self, block: Networks, at: Mapping[str, int]) -> list[tuple[float, int, Perturbation | None]]:
        rates = _several(self.lr if block.lr is None else block.lr)
        if rates == (None,):
            raise ValueError("lr: wanted a learning rate here or in each block of networks, found none")
        kicks: list[Perturbation | None] = [None]
        if block.perturb is not None:
            cells = product(_several(block.at), _several(block.sigma), _several(block.draw))
            kicks = [Perturbation(at[time], block.perturb, sigma, draw) for time, sigma, draw in cells]
        return list(product(rates, _several(block.order), kicks))


class Borrowed(Spec):
    """A run of another room, trained there once and measured here too."""

    source: str = Field(alias="from", pattern=r"^[a-z][a-z0-9_]*/[a-z][a-z0-9_]*$")


AnyRun = Annotated[
    Annotated[Run, Tag("(own)")] | Annotated[Borrowed, Tag("(borrowed)")],
    Discriminator(lambda value: "(borrowed)" if isinstance(value, dict) and "from" in value else "(own)"),
]


class Table(Spec):
    """A measurement: the function of this name in the room's measure.py, the runs that it reads, its numbers."""

    function: Name | None = Field(None, description="the function, where its name is not the table's")
    runs: tuple[Name, ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)


class Figure(Spec):
    """A figure: the function of this name in the room's figures.py, the table that it draws, its caption."""

    table: Name
    caption: str


class Paper(Spec):
    """The paper's card."""

    title: str
    authors: str
    venue: str
    year: int
    arxiv: str | None = None
    code: str | None = None
    bibtex: str


class Resources(Spec):
    """What a training job of this scale asks of a cluster."""

    runtime: PositiveInt = Field(30, description="minutes")
    mem_mb: PositiveInt = 4000
    gpu: int = Field(0, ge=0)


class Scale(Spec):
    """What a scale changes of the study; null removes a run, a table or a figure."""

    minutes: PositiveFloat | None = Field(None, description="measured on two cores")
    paper_setting: bool = Field(False, description="whether this is the paper's own data, model and size")
    resources: Resources = Resources()
    runs: dict[Name, dict[str, Any] | None] = Field(default_factory=dict)
    tables: dict[Name, dict[str, Any] | None] = Field(default_factory=dict)
    figures: dict[Name, dict[str, Any] | None] = Field(default_factory=dict)


class Overlay(Spec):
    """A variant: what it changes of the study, and why."""

    why: str
    runs: dict[Name, dict[str, Any] | None] = Field(default_factory=dict)
    tables: dict[Name, dict[str, Any] | None] = Field(default_factory=dict)


class Study(Spec):
    """A whole study.yaml."""

    paper: Paper
    runs: dict[Name, AnyRun]
    tables: dict[Name, Table]
    figures: dict[Name, Figure]
    scales: dict[Name, Scale]

    @model_validator(mode="after")
    def _joined(self) -> "Study":
        for name, table in self.tables.items():
            if missing := [run for run in table.runs if run not in self.runs]:
                raise ValueError(f"tables.{name}.runs: wanted runs of this study, found {missing[0]!r}")
        for name, figure in self.figures.items():
            if figure.table not in self.tables:
                raise ValueError(f"figures.{name}.table: wanted a table of this study, found {figure.table!r}")
        return self


class Config(Spec):
    """A whole config.yaml."""

    scale: Name = Field("laptop", description="smoke, laptop, or a paper scale that a study names")
    papers: tuple[Name, ...] | None = Field(None, description="rooms of the default target; null: all")
    data: dict[str, str] = Field({}, description="data set -> folder that holds it already")


# Keys whose value holds exactly one named part.
_ONE_OF = ("model", "optimizer", "schedule")


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


def merge(base: Any, overlay: Any) -> Any:
    """The base with the overlay's values: mappings key by key, null removes, anything else is replaced.

    A mapping of one named part (`optimizer: {sgd: ...}`) is replaced as a whole by one of another name.
    """
    if not (isinstance(base, dict) and isinstance(overlay, dict)):
        return overlay
    merged = {key: value for key, value in base.items() if key not in overlay or overlay[key] is not None}
    for key, value in overlay.items():
        if value is None:
            continue
        parts = [part.keys() for part in (base.get(key), value) if isinstance(part, dict)]
        renamed = key in _ONE_OF and len(parts) == 2 and parts[0] != parts[1]
        merged[key] = value if renamed or key not in base else merge(base[key], value)
    return merged

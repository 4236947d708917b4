"""The typed form of what people write: a room's `study.yaml`, its overlays, and `config.yaml`. Imports no torch.

A study is the laptop scale; each other scale and each variant is an overlay, merged over it key by key.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, model_validator

from isthmus import typed
from isthmus.run_spec import Run
from isthmus.typed import Name, Spec


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
    caption: str = Field(
        description="says n: {n} is counted as the figure is drawn, {n of main} is a run's number of seeds"
    )


class Plot(Spec):
    """What `dvc plots` shows of the room: two columns of its main table."""

    table: Name
    x: Name
    y: Name


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
    plot: Plot | None = None
    scales: dict[Name, Scale]

    @model_validator(mode="after")
    def _joined(self) -> "Study":
        chains = {name: run for name, run in self.runs.items() if isinstance(run, Run) and run.rounds}
        known = {*self.runs, *(own for name, run in chains.items() for own in run.round_names(name))}
        for name, table in self.tables.items():
            if missing := [run for run in table.runs if run not in known]:
                raise ValueError(f"tables.{name}.runs: wanted runs of this study, found {missing[0]!r}")
        for name, figure in self.figures.items():
            if figure.table not in self.tables:
                raise ValueError(f"figures.{name}.table: wanted a table of this study, found {figure.table!r}")
        return self


class Config(Spec):
    """A whole config.yaml."""

    scale: Name = Field("laptop", description="smoke, laptop, redraw, or a paper scale that a study names")
    papers: tuple[Name, ...] | None = Field(None, description="rooms of the default target; null: all")
    data: dict[str, str] = Field({}, description="data set -> folder that holds it already")
    device: Literal["cpu", "cuda"] = Field("cpu", description="where networks are trained")


def places() -> dict[str, str]:
    """Data set -> folder that holds it, as config/config.yaml says."""
    path = Path("config/config.yaml")
    return typed.checked(Config, typed.read_yaml(path), path).data


# Keys whose value holds exactly one named part.
_ONE_OF = ("model", "optimizer", "schedule")


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

"""The named parts of a recipe (model, optimizer, schedule) and the settings that each takes. Imports no torch."""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from isthmus.typed import OneOf, Spec


class Mlp(Spec):
    """A multilayer perceptron."""

    widths: tuple[PositiveInt, ...]
    activation: Literal["relu", "tanh", "identity"] = "relu"
    init: Literal["he", "lecun"] = "he"


class Model(OneOf):
    """The model of a run."""

    mlp: Mlp | None = None


class Sgd(Spec):
    """Stochastic gradient descent."""

    momentum: float = Field(0.0, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    nesterov: bool = False


class Adam(Spec):
    """Adam; with `decoupled`, AdamW."""

    betas: tuple[float, float] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8
    weight_decay: float = Field(0.0, ge=0)
    decoupled: bool = False


class Optimizer(OneOf):
    """The optimizer of a run."""

    sgd: Sgd | None = None
    adam: Adam | None = None


class Constant(Spec):
    """The peak rate throughout."""


class Triangle(Spec):
    """Linear up over a fraction of the run, linear down to its end."""

    warmup: float = Field(gt=0, lt=1)


class WarmupCosine(Spec):
    """Linear up over so many updates from a fraction of the peak rate, half a cosine down to 0."""

    warmup: PositiveInt
    start: float = Field(0.0, ge=0, le=1)


class Schedule(OneOf):
    """The learning-rate schedule of a run."""

    constant: Constant | None = None
    triangle: Triangle | None = None
    warmup_cosine: WarmupCosine | None = None

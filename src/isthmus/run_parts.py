"""The parts of a run of a `study.yaml` that have keys of their own: branch, pruning, removal, probes and others.

No torch.
"""

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from isthmus.times import Time
from isthmus.typed import Name, Spec


class Branch(Spec):
    """Where a run begins: at the networks of another run of this study, as they were at a checkpoint."""

    run: Name
    at: Time = Field(description="one of that run's checkpoints, in its own time")
    memory: bool = Field(False, description="with the optimizer's memory, which that run must keep (`memory`)")
    fresh: bool = Field(False, description="schedule and data order begin anew, instead of going on from there")

    @model_validator(mode="after")
    def _one_age(self) -> "Branch":
        if self.fresh and self.memory:
            raise ValueError("wanted either fresh or memory, found both: a fresh schedule begins without memory")
        return self


class Prune(Spec):
    """What a run's masks (`networks.mask`) come from, and what they may leave out."""

    run: Name | None = Field(
        None,
        description="a run above, whose networks as they end give weights or masks, seed by seed; null: each is "
        "pruned by its own values before its first update",
    )
    density: float | None = Field(None, description="where `run` is a chain of rounds: the round of this density")
    spared: tuple[str, ...] = Field((), description="weights that are never pruned, such as head.*")
    layerwise: bool = Field(False, description="each layer is pruned by itself, instead of all weights together")
    rate: float = Field(0.2, gt=0, lt=1, description="share of the weights that a round prunes")
    slower: dict[str, PositiveFloat] = Field({}, description="layerwise: weights -> factor of the rate there")
    align: Literal["pearson", "covariance", "uncentred", "weights"] = Field(
        "pearson", description="how `aligned` masks match the units of two networks"
    )
    examples: PositiveInt = Field(10, description="of each class, that snip and grasp see")

    @model_validator(mode="after")
    def _used(self) -> "Prune":
        if self.slower and not self.layerwise:
            raise ValueError("slower: wanted it only with layerwise: true, found it without")
        return self


class Rounds(Spec):
    """A chain of runs in place of one: each is pruned by the one before it, a little more, and trained."""

    of: Name = Field(description="a run above, whose networks as they end give the first round's masks")
    through: tuple[float, ...] = Field(description="densities that the chain meets exactly; it ends at the lowest")
    rewind: bool = Field(True, description="each round begins where `branch` says; false: where the last one ended")


class Penalty(Spec):
    """What is added to the loss: each network's own factor (`networks.penalty`) times a sum over weights."""

    of: Literal["scale", "shift", "norm", "weights"] = Field(
        description="of normalisations, the scales, the shifts or both; or these and all weights, without biases"
    )
    form: Literal["lasso", "ridge"] = Field("lasso", description="the sum of |w|, or half the sum of w^2")
    shape: Literal["one_cycle", "constant"] = Field("one_cycle", description="of the factor over the span")
    span: Time = Field("end", description="updates of the cycle, after which the factor stays")


class Noise(Spec):
    """Normal noise on parameters after each update, of each network's own standard deviation (`networks.noise`)."""

    where: Literal["live", "all"] = Field("live", description="live: where the gradient, without penalty, is not 0")
    shape: Literal["one_cycle", "constant"] = Field("one_cycle", description="of the deviation over the span")
    span: Time = Field("end", description="updates of the cycle, after which the deviation stays")


class Removal(Spec):
    """When hidden units are looked at and, in networks with `remove`, removed."""

    every: Time = Field(description="between two looks; there is one before the first update and one at the end")
    examples: PositiveInt | None = Field(
        None, description="of the training set, the first so many that a look for dead units sees; null: all"
    )


class Probe(Spec):
    """What is recorded of the networks on the training set at named times."""

    probe: Literal["loss", "logits", "gradient_norm", "activations", "dead_units", "kernel"]
    at: Time | tuple[Time, ...]
    examples: PositiveInt | None = Field(None, description="of the training set, the first so many; null: all")


class Augment(Spec):
    """What is done to images while training, anew for each network and update."""

    flip: bool = Field(False, description="left-right, each image with a chance of one half")
    crop: NonNegativeInt = Field(0, description="pixels by which an image is padded before it is cropped at random")
    translate: NonNegativeInt = Field(0, description="pixels of the largest shift")
    rotate: float = Field(0.0, ge=0, le=180, description="degrees of the largest turn, either way")

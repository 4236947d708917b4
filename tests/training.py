"""Small runs for tests: one table of settings that every optimizer, schedule, loss and kind of model stands in.

Adding one of them is one line of SETTINGS; the tests of the engine then hold for it.
"""

from dataclasses import replace

import torch

from isthmus.data.prepared import DataSet
from isthmus.engine.recipe import Named, Network, Perturbation, Recipe
from isthmus.engine.train import State, Trainer

STEPS = 12

# Two seeds twice, several orders and rates, every kind of kick, at the start, midway and at the end.
NETWORKS = (
    Network(0, 0.1),
    Network(0, 0.1, 0, Perturbation(0, "gaussian", 0.1)),
    Network(0, 0.05, 1, Perturbation(STEPS, "gaussian", 0.1, 1)),
    Network(1, 0.1, 0, Perturbation(5, "batch", 0.2)),
    Network(1, 0.02, 2, Perturbation(0, "batch", 0.2)),
    Network(2, 0.1, 0, Perturbation(3, "weight", 1.0)),
    Network(2, 0.1, 3),
    Network(3, 0.2),
)


def mlp(*widths: int, activation: str = "relu", init: str = "he") -> Named:
    return Named("mlp", {"widths": widths, "activation": activation, "init": init})


STANDARD = Recipe(
    data="toy/all/raw",
    model=mlp(7, 5),
    optimizer=Named("sgd", {"momentum": 0.9}),
    schedule=Named("constant"),
    batch=8,
    steps=STEPS,
    networks=NETWORKS,
    chunk=len(NETWORKS),
    checkpoints=(0, 5, STEPS),
)

# What a setting changes of the standard recipe.
SETTINGS = {
    "standard": {},
    "plain sgd": {"optimizer": Named("sgd")},
    "nesterov": {"optimizer": Named("sgd", {"momentum": 0.9, "nesterov": True})},
    "weight decay": {"optimizer": Named("sgd", {"momentum": 0.9, "weight_decay": 0.05})},
    "adam": {"optimizer": Named("adam")},
    "adam, decay": {"optimizer": Named("adam", {"betas": (0.8, 0.99), "eps": 1e-4, "weight_decay": 0.05})},
    "adamw": {"optimizer": Named("adam", {"weight_decay": 0.05, "decoupled": True})},
    "triangle": {"schedule": Named("triangle", {"warmup": 0.2})},
    "warm-up and cosine": {"schedule": Named("warmup_cosine", {"warmup": 4, "start": 0.1})},
    "squared loss": {"loss": "squared"},
    "kernel regime": {"lazy": 100.0},
    # Without momentum: with it these steps are too long for a squared loss, and rounding would grow.
    "kernel regime, squared loss": {"lazy": 100.0, "loss": "squared", "optimizer": Named("sgd")},
    "tanh": {"model": mlp(7, 5, activation="tanh")},
    "no hidden layer": {"model": mlp()},
    "one unit": {"model": mlp(1)},
    "LeCun's start": {"model": mlp(7, 5, init="lecun")},
    "one example a batch": {"batch": 1},
}


def recipe(setting: str = "standard", **changes) -> Recipe:
    """The recipe of a setting, changed further."""
    return replace(STANDARD, **{**SETTINGS[setting], **changes})


def dataset(examples: int = 40, features: int = 6, classes: int = 3, seed: int = 0) -> DataSet:
    """Normal inputs with labels by a random linear rule, so that there is something to learn."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((examples, features), generator=generator)
    y = (x @ torch.randn((features, classes), generator=generator)).argmax(1)
    inputs, labels = {"train": x, "test": x[: examples // 2]}, {"train": y, "test": y[: examples // 2]}
    return DataSet("toy/all/raw", inputs, labels, classes, (features,), (0.0,), (1.0,), f"checksum {seed}")


def trained(run: Recipe, data: DataSet, networks: tuple[Network, ...] | None = None) -> State:
    """The state after the last update of these networks, trained together."""
    trainer = Trainer(run, run.networks if networks is None else networks, data)
    return trainer.run(trainer.start())


def row_of(run: Recipe, data: DataSet, network: Network) -> torch.Tensor:
    """The row (P,) that one network ends at."""
    return trained(run, data, (network,)).tensors["theta"][0]


class KilledError(Exception):
    """What happens to a job in the middle of a step."""


class Steps:
    """A counter of the steps that were really taken; kills the job after `until` of them."""

    def __init__(self, until: int | None = None) -> None:
        self.until, self.total, self.first, self.taken = until, 0, 0, 0

    def expect(self, total: int) -> None:
        self.total = total

    def start_at(self, done: int) -> None:
        self.first = done

    def advance(self, units: int = 1) -> None:
        self.taken += units
        if self.taken == self.until:
            raise KilledError

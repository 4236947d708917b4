"""Small runs for tests: one table of settings that every optimizer, schedule, loss and kind of model stands in.

Adding one of them is one line of SETTINGS; the tests of the engine then hold for it.
"""

from dataclasses import replace
from math import prod
from pathlib import Path

import torch

from isthmus.data.prepared import DataSet
from isthmus.engine.checkpoints import train_chunk
from isthmus.engine.fleet import Fleet
from isthmus.engine.probes import PROBES
from isthmus.engine.recipe import Named, Network, Perturbation, Probe, Recipe
from isthmus.engine.start import branched
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


def mlp(*widths: int, **settings) -> Named:
    return Named("mlp", {"widths": widths, "activation": "relu", "init": "he", **settings})


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
    "gelu": {"model": mlp(7, 5, activation="gelu")},
    "LeCun's start": {"model": mlp(7, 5, init="lecun")},
    "PyTorch's start": {"model": mlp(7, 5, init="pytorch")},
    "orthogonal start": {"model": mlp(7, 5, init="orthogonal")},
    "recurrent": {"model": Named("rnn", {"widths": (5,), "cell": "tanh", "init": "pytorch"})},
    "lstm": {"model": Named("rnn", {"widths": (4,), "cell": "lstm", "init": "pytorch"})},
    "one example a batch": {"batch": 1},
    "one cycle": {"schedule": Named("one_cycle")},
    "batch norm": {"model": mlp(7, 5, norm="batch")},
    "layer norm": {"model": mlp(7, 5, norm="layer")},
    "staircase": {"schedule": Named("staircase", {"at": (0.5, 0.75), "factor": 0.1})},
    "held out": {"held_out": 0.3},
    "frozen": {"frozen": ("layers.0.*", "*.bias")},
    "dropout": {"model": mlp(7, 5, dropout=0.4)},
    "kernel regime, dropout": {"model": mlp(7, 5, dropout=0.4), "lazy": 100.0},
    "bfloat16": {"precision": "bfloat16"},
    "memory and probes": {
        "optimizer": Named("adam"),
        "memory": (0, 5),
        "probes": tuple(Probe(name, (0, 5, STEPS), 9) for name in PROBES),
    },
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


def images(shape: tuple[int, ...] = (2, 5, 7), examples: int = 40) -> DataSet:
    """As `dataset`, of images."""
    data = dataset(examples, prod(shape))
    return replace(data, inputs={part: x.unflatten(1, shape) for part, x in data.inputs.items()}, shape=shape)


def trained(run: Recipe, data: DataSet, networks: tuple[Network, ...] | None = None) -> State:
    """The state after the last update of these networks, trained together."""
    trainer = Trainer(run, run.networks if networks is None else networks, data)
    return trainer.run(trainer.start())


def row_of(run: Recipe, data: DataSet, network: Network) -> torch.Tensor:
    """The row (P,) that one network ends at."""
    return trained(run, data, (network,)).tensors["theta"][0]


def fleet(run: Recipe, data: DataSet, folder: Path, parent: Fleet | None = None) -> Fleet:
    """The recipe's fleet, trained into files of a folder and read back. parent: the fleet that it branches from."""
    paths = [folder / f"{run.digest()}-{index}.safetensors" for index in range(len(run.chunks))]
    for index, path in enumerate(paths):
        start = None if parent is None else branched(run, run.chunks[index], parent)
        train_chunk(run, index, data, path, path.with_suffix(".save"), "code", Steps(), start)
    return Fleet.load(paths, run, data)


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

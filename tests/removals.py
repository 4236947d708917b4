"""Runs that lose units, for tests: one line for each family that can, with what makes a unit dead in it."""

from dataclasses import replace

import torch
from architectures import named
from torch import Tensor
from training import STANDARD, dataset, images

from isthmus.engine.architecture import Architecture
from isthmus.engine.recipe import Named, Network, Recipe, Removal
from isthmus.engine.start import Start
from isthmus.engine.train import State, Trainer

# Name -> family, settings, shape of the inputs.
FAMILIES = {
    "mlp": ("mlp", {"widths": [9, 8]}, (6,)),
    "mlp, batch norm": ("mlp", {"widths": [9, 8], "norm": "batch"}, (6,)),
    "cnn, flat": ("cnn", {"channels": [4, 6], "head": "flat", "dense": [5]}, (2, 6, 4)),
    "cnn, batch norm": ("cnn", {"channels": [5, 4], "norm": "batch", "pool": "none"}, (2, 5, 4)),
    "vgg": ("vgg", {"depth": 11, "width": 2}, (3, 8, 8)),
    "resnet": ("resnet", {"depth": 14, "width": 4}, (3, 8, 8)),
    "resnet, no norm": ("resnet", {"depth": 8, "width": 4, "norm": "none"}, (1, 6, 6)),
}

# Every kind, and none: of two seeds.
NETWORKS = tuple(
    Network(seed, 0.05, remove=kind, units=share)
    for seed in (0, 1)
    for kind, share in ((None, None), ("dead", None), ("random", 0.5), ("snap", 0.4), ("cropit", 0.4),
                        ("early_cropit", 0.6))
)  # fmt: skip


def run_of(family: str, **changes) -> Recipe:
    """A run of a family, five updates an epoch, a look every third."""
    model, settings, _ = FAMILIES[family]
    standard = {
        "model": named(model, settings),
        "optimizer": Named("sgd", {"momentum": 0.9}),
        "networks": NETWORKS,
        "chunk": 12,
        "removal": Removal(3),
        "steps": 25,
        "batch": 12,
        "checkpoints": (0, 25),
    }
    return replace(STANDARD, **{**standard, **changes})


def data_of(family: str):
    """Sixty examples of the family's shape, enough of each class for the scores."""
    shape = FAMILIES[family][2]
    return dataset(60, *shape) if len(shape) == 1 else images(shape, 60)


def ran(run: Recipe, data, start: Start | None = None, cuts: bool = True) -> State:
    """The state at the end."""
    trainer = Trainer(run, run.networks, data, start, cuts=cuts)
    return trainer.run(trainer.start())


def live_of(state: State) -> dict[str, Tensor]:
    """Group -> bool (R, n), as the state has it."""
    return {name[11:]: value for name, value in state.tensors.items() if name.startswith("probe/live/")}


def killed(architecture: Architecture, theta: Tensor, group: str, unit: int, by: float = -1e8) -> Tensor:
    """A copy of the rows in which this unit never answers: everything that shifts it is far below zero."""
    theta = theta.clone()
    for name, slot in architecture.layout.slots.items():
        if architecture.axes[name] == (group,) and slot.role.kind in ("bias", "shift"):
            theta[:, slot.start + unit] = by
    return theta


def rows(architecture: Architecture, count: int = 3) -> Tensor:
    """Initial rows with random biases and shifts, and statistics of their own."""
    theta = architecture.initial(list(range(count)))
    return theta + 0.1 * torch.rand(theta.shape, generator=torch.Generator().manual_seed(0))

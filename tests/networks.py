"""Small networks for tests: any model on rows, an MLP for short, random rows, random data."""

import torch
from torch import Tensor
from torch.func import functional_call

from isthmus.engine.architecture import Architecture
from isthmus.engine.recipe import Named, Recipe


def build(model: Named, shape: tuple[int, ...], classes: int) -> Architecture:
    """The architecture of a model for inputs of this shape."""
    return Architecture.of(Recipe("", model, Named("sgd"), Named("constant"), 1, 1, (), 1, ()), shape, classes)


def mlp(widths: tuple[int, ...], features: int = 6, classes: int = 3, activation: str = "relu") -> Architecture:
    """An MLP with He initialisation."""
    model = Named("mlp", {"widths": list(widths), "activation": activation, "init": "he"})
    return build(model, (features,), classes)


def rows(architecture: Architecture, count: int, seed: int = 0) -> Tensor:
    """Initial rows (count, P) with random biases too, so that nothing about them is special."""
    theta = architecture.initial(list(range(seed, seed + count)))
    return theta + 0.1 * torch.randn(theta.shape, generator=torch.Generator().manual_seed(seed))


def data(architecture: Architecture, examples: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Normal inputs (N, *shape) and uniform labels (N,)."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((examples, *architecture.shape), generator=generator)
    return x, torch.randint(architecture.classes, (examples,), generator=generator)


def plain(architecture: Architecture, row: Tensor, x: Tensor) -> Tensor:
    """Logits (N, C) of the module itself with a row's values, as PyTorch calls it."""
    return functional_call(architecture.module.eval(), architecture.layout.split(row), (x,))

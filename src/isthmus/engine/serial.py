"""The oracle: one module at a time, PyTorch's own optimizer and autograd, nothing stacked.

It shares with the engine what a run is (initial values, data order, kicks), and none of how it is computed.
"""

import torch
from torch import Tensor, nn

from isthmus.data.prepared import DataSet
from isthmus.engine import perturb
from isthmus.engine.architecture import Architecture
from isthmus.engine.batches import Batches
from isthmus.engine.recipe import Network, Recipe
from isthmus.engine.schedules import factors


def train(recipe: Recipe, network: Network, data: DataSet, steps: int | None = None) -> Tensor:
    """The row (P,) of one network after `steps` updates (the recipe's by default)."""
    architecture = Architecture.of(recipe, data.shape, data.classes)
    x, y = data.inputs["train"], data.labels["train"]
    module = _module(architecture, network.seed)
    start = _module(architecture, network.seed).requires_grad_(False)
    batches = Batches([network], len(x), recipe.batch)
    optimizer = _optimizer(recipe, network, module)
    rates = factors(recipe.schedule.name, recipe.schedule.settings, recipe.steps)

    def loss_on(chosen: Tensor) -> Tensor:
        logits = module(x[chosen])
        if recipe.lazy is not None:
            logits = recipe.lazy * (logits - start(x[chosen]))
        if recipe.loss == "squared":
            return 0.5 * (logits - nn.functional.one_hot(y[chosen], data.classes)).square().sum(1).mean()
        return nn.functional.cross_entropy(logits, y[chosen])

    def kick() -> None:
        def batch_gradient(rng: torch.Generator) -> Tensor:
            chosen = torch.from_numpy(rng.permutation(len(x))[: recipe.batch])
            gradients = torch.autograd.grad(loss_on(chosen), list(module.parameters()))
            return torch.cat([gradient.flatten() for gradient in gradients])

        row = nn.utils.parameters_to_vector(module.parameters()).detach()
        row = (row.double() + perturb.kick(architecture, network, batch_gradient)).float()
        nn.utils.vector_to_parameters(row, module.parameters())

    steps = recipe.steps if steps is None else steps
    for step in range(steps + 1):
        if network.perturbation is not None and network.perturbation.at == step:
            kick()
        if step < steps:
            for group in optimizer.param_groups:
                group["lr"] = network.lr * rates[step] * (recipe.lazy or 1.0) ** -2
            optimizer.zero_grad()
            loss_on(batches.at(step)[0]).backward()
            optimizer.step()
    return nn.utils.parameters_to_vector(module.parameters()).detach()


def _module(architecture: Architecture, seed: int) -> nn.Module:
    family, row = architecture.family, architecture.initial([seed])[0]
    module = family.build(architecture.settings, architecture.shape, architecture.classes)
    nn.utils.vector_to_parameters(row.clone(), module.parameters())
    return module


def _optimizer(recipe: Recipe, network: Network, module: nn.Module) -> torch.optim.Optimizer:
    settings = dict(recipe.optimizer.settings)
    if recipe.optimizer.name == "sgd":
        return torch.optim.SGD(module.parameters(), lr=network.lr, **settings)
    kind = torch.optim.AdamW if settings.pop("decoupled", False) else torch.optim.Adam
    return kind(module.parameters(), lr=network.lr, **{"weight_decay": 0.0, **settings})

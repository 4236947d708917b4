"""The oracle: one module at a time, PyTorch's own optimizer and autograd, nothing stacked.

It shares with the engine what a run is (initial values, data order, kicks, what augmentation and dropout draw), and
none of how it is computed.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from isthmus.data.prepared import DataSet
from isthmus.engine import augment, perturb
from isthmus.engine.architecture import Architecture
from isthmus.engine.batches import Batches
from isthmus.engine.dropout import keep
from isthmus.engine.recipe import Network, Recipe
from isthmus.engine.schedules import factors
from isthmus.models.layers import Dropout


def train(recipe: Recipe, network: Network, data: DataSet, steps: int | None = None) -> Tensor:
    """The row (P,) of one network after `steps` updates (the recipe's by default); statistics as they begin."""
    architecture = Architecture.of(recipe, data.shape, data.classes)
    x, y = data.inputs["train"], data.labels["train"]
    statistics = architecture.initial([network.seed])[0, architecture.layout.trained :]
    module = _module(architecture, network.seed)
    start = _module(architecture, network.seed).requires_grad_(False)
    batches = Batches([network], len(x), recipe.batch, recipe.held_out)
    parameters = dict(module.named_parameters())
    frozen = {name for pattern in recipe.frozen for name in parameters if fnmatchcase(name, pattern)}
    optimizer = _optimizer(recipe, network, [value for name, value in parameters.items() if name not in frozen])
    rates = factors(recipe.schedule.name, recipe.schedule.settings, recipe.steps)

    def loss_on(chosen: Tensor, step: int | None = None) -> Tensor:
        """step: the update that draws what is augmented and dropped; None for a kick, for which nothing is."""
        inputs = x[chosen]
        if step is not None and recipe.augment:
            drawn = augment.draws(recipe.augment, [network], step, recipe.batch)
            inputs = augment.augment(inputs.unsqueeze(0), drawn)[0]
        kept = {} if step is None else keep(architecture.dropouts, [network], step, recipe.batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16", cache_enabled=False):
            logits = _dropping(module, kept)(inputs)
            if recipe.lazy is not None:
                logits = recipe.lazy * (logits - _dropping(start, kept)(inputs))
        logits = logits.float()
        if recipe.loss == "squared":
            return 0.5 * (logits - nn.functional.one_hot(y[chosen], data.classes)).square().sum(1).mean()
        return nn.functional.cross_entropy(logits, y[chosen])

    def kick() -> None:
        def batch_gradient(rng: torch.Generator) -> Tensor:
            chosen = torch.from_numpy(rng.permutation(len(x))[: recipe.batch])
            gradients = torch.autograd.grad(loss_on(chosen), list(module.parameters()))
            return torch.cat([*(gradient.flatten() for gradient in gradients), torch.zeros(len(statistics))])

        row = nn.utils.parameters_to_vector(module.parameters()).detach()
        held = torch.cat([torch.full((value.numel(),), name in frozen) for name, value in parameters.items()])
        moved = (row.double() + perturb.kick(architecture, network, batch_gradient)[: len(row)]).float()
        nn.utils.vector_to_parameters(torch.where(held, row, moved), module.parameters())

    steps = recipe.steps if steps is None else steps
    for step in range(steps + 1):
        if network.perturbation is not None and network.perturbation.at == step:
            kick()
        if step < steps:
            for group in optimizer.param_groups:
                group["lr"] = network.lr * rates[step] * (recipe.lazy or 1.0) ** -2
            optimizer.zero_grad()
            loss_on(batches.at(step)[0], step).backward()
            optimizer.step()
    return torch.cat([nn.utils.parameters_to_vector(module.parameters()).detach(), statistics])


def _module(architecture: Architecture, seed: int) -> nn.Module:
    family, row = architecture.family, architecture.initial([seed])[0]
    module = family.build(architecture.settings, architecture.shape, architecture.classes)
    nn.utils.vector_to_parameters(row.clone(), module.parameters())
    return module


def _dropping(module: nn.Module, kept: Mapping[str, Tensor]) -> nn.Module:
    """The module, which now leaves out what `keep` gave for one network, or nothing."""
    for name, part in module.named_modules():
        if isinstance(part, Dropout):
            part.keep = kept.get(f"{name}.keep", torch.ones(1))[0]
    return module


def _optimizer(recipe: Recipe, network: Network, free: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    settings = dict(recipe.optimizer.settings)
    if recipe.optimizer.name == "sgd":
        return torch.optim.SGD(free, lr=network.lr, **settings)
    kind = torch.optim.AdamW if settings.pop("decoupled", False) else torch.optim.Adam
    return kind(free, lr=network.lr, **{"weight_decay": 0.0, **settings})

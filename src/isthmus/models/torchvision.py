"""Any of torchvision's classifiers by name, made to run on rows; its ResNets have a symmetry table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isthmus.errors import UserError
from isthmus.models.images import BatchNorm2d, image_shape
from isthmus.models.initialise import draw
from isthmus.models.layers import Axes, Dropout, axes
from isthmus.models.roles import Role, role_of, state


class Torchvision(nn.Module):
    """The classifier `network`; images of one channel are shown to it as three equal ones.

    observed: group of the symmetry table -> the part of the network whose output, after relu, are its units.
    """

    def __init__(self, name: str, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.made = name, shape, classes
        self.network = _network(name, shape, classes)
        _exchange(self.network)
        self.table, self.observed = _table(self.network)

    def forward(self, x: Tensor, activations: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Logits (N, classes) of images (N, C, H, W); with `activations`, also group -> (N, H', W', channels)."""
        x = x.expand(-1, 3, -1, -1)
        if not activations:
            return self.network(x)
        hidden: dict[str, Tensor] = {}

        def watch(group: str, part: nn.Module) -> torch.utils.hooks.RemovableHandle:
            def note(part: nn.Module, given: tuple, out: Tensor) -> None:
                hidden[group] = out.relu().movedim(1, -1)

            return part.register_forward_hook(note)

        hooks = [watch(group, self.network.get_submodule(name)) for group, name in self.observed.items()]
        try:
            return self.network(x), hidden
        finally:
            for hook in hooks:
                hook.remove()


def build(settings: Mapping[str, Any], shape: tuple[int, ...], classes: int) -> Torchvision:
    """The module for images of this shape; settings: see parts.Torchvision.

    UserError for a name that torchvision does not know, and for images that the network cannot take.
    """
    module = Torchvision(settings["name"], shape, classes)
    try:
        with torch.no_grad():
            module.eval()(torch.zeros(1, *shape))
    except (RuntimeError, AssertionError, ValueError) as error:
        wanted = f"wanted images that {settings['name']} can take, found {shape}"
        raise UserError(f"study.yaml, model.torchvision: {wanted} ({' '.join(str(error).split())})") from error
    return module.train()


def initialise(module: Torchvision, settings: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Tensor]:
    """Initial parameters and statistics: by torchvision's own code where `init` is own, seeded from the stream.

    Any other scheme draws the convolutions and linear layers anew, and leaves the rest as torchvision makes it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**63)))
        fresh = Torchvision(*module.made)
    if settings["init"] == "own":
        return {name: value.detach().clone() for name, value in state(fresh).items()}
    return draw(fresh, settings["init"], rng)


def symmetry(module: Torchvision) -> Axes:
    """Parameter name -> for each axis, the group whose permutation acts on it, or None.

    Of a ResNet with ungrouped convolutions: `stream<s>` for the channels that a row of blocks adds to (a new one
    wherever a shortcut has a convolution), `inner<l>.<b>.<c>` for those of convolution c within a block. Of other
    networks nothing is known: they have no groups.
    """
    return {name: module.table.get(name, (None,) * value.ndim) for name, value in state(module).items()}


def _network(name: str, shape: tuple[int, ...], classes: int) -> nn.Module:
    # Late: it takes a second, and only these models need it.
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise UserError(f"study.yaml, model.torchvision.name: wanted one of {', '.join(known)}, found {name!r}")
    channels, height, _ = image_shape(shape)
    if channels not in (1, 3):
        raise UserError(f"study.yaml, model.torchvision: wanted images of 1 or 3 channels, found {channels}")
    special = {"googlenet": {"aux_logits": False, "init_weights": True}, "vit": {"image_size": height}}
    special["inception"] = special["googlenet"]
    return models.get_model(name, weights=None, num_classes=classes, **special.get(name.split("_")[0], {}))


class StochasticDepth(nn.Module):
    """torchvision's, by rows: with probability p all of an example is left out, else it is divided by 1 - p."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropout = Dropout(p)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape."""
        return x * self.dropout(x.new_ones(len(x), *(1,) * (x.ndim - 1)))


def _exchange(network: nn.Module) -> None:
    """Put our layers in the place of those that write statistics or draw numbers themselves; give roles."""
    from torchvision.ops import StochasticDepth as Theirs

    for name, part in list(network.named_modules()):
        match part:
            case nn.BatchNorm2d():
                ours = BatchNorm2d(part.num_features, part.eps)
                ours.load_state_dict(part.state_dict(), strict=False)
                network.set_submodule(name, ours)
            case nn.Dropout():
                network.set_submodule(name, Dropout(part.p))
            case Theirs():
                network.set_submodule(name, StochasticDepth(part.p))
            case nn.Conv2d() | nn.Linear():
                _weigh(part.weight, part.bias)
            case nn.MultiheadAttention():
                _weigh(part.in_proj_weight, part.in_proj_bias)
    for value in network.parameters():
        value.role = getattr(value, "role", Role("own"))


def _weigh(weight: nn.Parameter, bias: nn.Parameter | None) -> None:
    """Say that these are the weight and the bias of a layer."""
    weight.role = role_of(weight)
    if bias is not None:
        bias.role = Role("bias", weight.role.fan_in)


def _table(network: nn.Module) -> tuple[Axes, dict[str, str]]:
    """The symmetry table of a ResNet, and for each group the part of the network that shows its units."""
    from torchvision.models import ResNet

    convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
    if not isinstance(network, ResNet) or any(part.groups > 1 for part in convolutions):
        return {}, {}
    table: Axes = {}
    observed = {"stream0": "bn1"}

    def add(name: str, unit: str | None, before: str | None = None) -> None:
        table.update(axes(f"network.{name}", network.get_submodule(name), unit, before))

    stream, streams = "stream0", 1
    add("conv1", stream)
    add("bn1", stream)
    for stage in range(1, 5):
        for place, block in enumerate(network.get_submodule(f"layer{stage}")):
            name, before, last = f"layer{stage}.{place}", stream, 3 if hasattr(block, "conv3") else 2
            if block.downsample is not None:
                stream, streams = f"stream{streams}", streams + 1
                add(f"{name}.downsample.0", stream, before)
                add(f"{name}.downsample.1", stream)
            for level in range(1, last + 1):
                unit = stream if level == last else f"inner{stage}.{place}.{level}"
                add(f"{name}.conv{level}", unit, before)
                add(f"{name}.bn{level}", unit)
                observed[unit] = name if level == last else f"{name}.bn{level}"
                before = unit
    add("fc", None, stream)
    return table, observed

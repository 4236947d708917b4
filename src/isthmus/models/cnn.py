"""Convolutional networks without shortcuts: 3x3 convolutions, pooling between them, linear layers at the end."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from isthmus.models.images import NORMS, Conv2d, ImageLinear, fold, image_shape, rows_of, unfold, units
from isthmus.models.initialise import initialise
from isthmus.models.layers import ACTIVATIONS, Axes, Dropout, Linear, axes

__all__ = ["build", "initialise", "symmetry"]

_POOLS = {"max": functional.max_pool2d, "mean": functional.avg_pool2d}


class ConvNet(nn.Module):
    """`convolutions.k` with `norms.k`, then `layers.k`, of which the last, the head, has no activation.

    pooled: after which convolutions the image is halved, where it still has two pixels each way. A convolution has
    a bias unless BatchNorm follows, which would take it away again.
    """

    on_rows = True

    def __init__(
        self,
        settings: Mapping[str, Any],
        channels: Sequence[int],
        pooled: Sequence[bool],
        shape: tuple[int, ...],
        classes: int,
    ) -> None:
        super().__init__()
        first, height, width = image_shape(shape)
        norm = settings["norm"]
        self.convolutions = nn.ModuleList(
            Conv2d(a, b, 3, padding=1, bias=norm != "batch") for a, b in pairwise([first, *channels])
        )
        self.norms = nn.ModuleList(NORMS[norm](count) for count in channels)
        self.halves = []
        for wanted in pooled:
            self.halves.append(wanted and min(height, width) > 1)
            height, width = (height // 2, width // 2) if self.halves[-1] else (height, width)
        self.flat = settings["head"] == "flat"
        sizes = [channels[-1], *settings["dense"], classes]
        entry = ImageLinear(sizes[0], height * width, sizes[1]) if self.flat else Linear(*sizes[:2])
        self.layers = nn.ModuleList([entry, *(Linear(a, b) for a, b in pairwise(sizes[1:]))])
        self.dropouts = nn.ModuleList(Dropout(settings["dropout"]) for _ in self.layers)
        self.activation = ACTIVATIONS[settings["activation"]]
        self.pool = _POOLS.get(settings["pool"])

    def forward(self, x: Tensor, activations: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Logits (..., N, classes) of images (..., N, C, H, W).

        With `activations`, also group -> (..., N, H', W', channels), of dense layers (..., N, width), after the
        activation function and before pooling, for every layer but the head.
        """
        rows, hidden = rows_of(x, 3), {}
        x = fold(x)
        for level, convolution in enumerate(self.convolutions):
            x = self.activation(self.norms[level](convolution(x)))
            hidden[f"c{level}"] = units(x, rows)
            if self.halves[level]:
                x = self.pool(x, 2)
        x = unfold(x if self.flat else x.mean((2, 3)), rows)
        for level, layer in enumerate(self.layers):
            if level > 0:
                x = hidden[f"d{level - 1}"] = self.activation(x)
            x = layer(self.dropouts[level](x))
        return (x, hidden) if activations else x


def build(settings: Mapping[str, Any], shape: tuple[int, ...], classes: int) -> ConvNet:
    """The module for images of this shape; settings: see parts.Cnn."""
    channels = settings["channels"]
    return ConvNet(settings, channels, [settings["pool"] != "none"] * len(channels), shape, classes)


def symmetry(module: ConvNet) -> Axes:
    """Parameter name -> for each axis, the group whose permutation acts on it, or None.

    Group `c<l>` is the order of the channels of convolution l, `d<l>` that of the units of dense layer l.
    """
    table, unit = {}, None
    for level, convolution in enumerate(module.convolutions):
        before, unit = unit, f"c{level}"
        table |= axes(f"convolutions.{level}", convolution, unit, before)
        table |= axes(f"norms.{level}", module.norms[level], unit)
    for level, layer in enumerate(module.layers):
        before, unit = unit, f"d{level}" if layer is not module.layers[-1] else None
        table |= axes(f"layers.{level}", layer, unit, before)
    return table

"""ResNets for small images (He et al. 2016, section 4.2): three stages of blocks of two 3x3 convolutions.

Where a stage begins, the shortcut is a 1x1 convolution: padded with zeros it would tie the channels of two stages
to each other, and few permutations would be left.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.models.images import NORMS, Conv2d, fold, image_shape, rows_of, unfold, units
from isthmus.models.initialise import initialise
from isthmus.models.layers import ACTIVATIONS, Axes, Linear, axes

__all__ = ["build", "initialise", "symmetry"]


class Block(nn.Module):
    """Two convolutions beside a shortcut, which is the identity where neither size nor width changes."""

    def __init__(self, channels: int, out: int, stride: int, norm: str, activation: str) -> None:
        super().__init__()
        bias, changed = norm == "none", (channels, stride) != (out, 1)
        self.conv1, self.norm1 = Conv2d(channels, out, 3, stride, 1, bias), NORMS[norm](out)
        self.conv2, self.norm2 = Conv2d(out, out, 3, 1, 1, bias), NORMS[norm](out)
        self.shortcut = Conv2d(channels, out, 1, stride, bias=bias) if changed else nn.Identity()
        self.shortcut_norm = NORMS[norm](out) if changed else nn.Identity()
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The stream after this block, and the inner activations, folded both."""
        inner = self.activation(self.norm1(self.conv1(x)))
        return self.activation(self.norm2(self.conv2(inner)) + self.shortcut_norm(self.shortcut(x))), inner


class ResNet(nn.Module):
    """`stem` with `stem_norm`, `stages.s.b`, and a linear `head` on the mean over all pixels.

    Convolutions have a bias only where there is no normalisation, as in the paper.
    """

    # It takes several networks at once (layers.py), and can show a stream everywhere (Architecture.activations).
    on_rows = streams = True

    def __init__(self, settings: Mapping[str, Any], shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        norm, activation, width = settings["norm"], settings["activation"], settings["width"]
        self.stem = Conv2d(image_shape(shape)[0], width, 3, padding=1, bias=norm == "none")
        self.stem_norm = NORMS[norm](width)
        self.stages = nn.ModuleList()
        before = width
        for stage in range(3):
            blocks = nn.ModuleList()
            for block in range((settings["depth"] - 2) // 6):
                out, stride = width * 2**stage, 2 if stage > 0 and block == 0 else 1
                blocks.append(Block(before, out, stride, norm, activation))
                before = out
            self.stages.append(blocks)
        self.head = Linear(before, classes)
        self.activation = ACTIVATIONS[activation]

    def forward(
        self, x: Tensor, activations: bool = False, everywhere: bool = False
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Logits (..., N, classes) of images (..., N, C, H, W).

        With `activations`, also group -> (..., N, H', W', channels) after the activation function: of each block's
        inner channels, and of each stage's stream as its last block leaves it. With `everywhere` instead, of the
        stream as the stem and all blocks of the stage leave it, one below the other along H'.
        """
        rows, hidden = rows_of(x, 3), {}
        x = self.activation(self.stem_norm(self.stem(fold(x))))
        for stage, blocks in enumerate(self.stages):
            shown = [units(x, rows)] if everywhere and stage == 0 else []
            for place, block in enumerate(blocks):
                x, inner = block(x)
                hidden[f"inner{stage}.{place}"] = units(inner, rows)
                shown = [*shown, units(x, rows)] if everywhere else [units(x, rows)]
            hidden[f"stream{stage}"] = torch.cat(shown, -3) if everywhere else shown[0]
        logits = self.head(unfold(x.mean((2, 3)), rows))
        return (logits, hidden) if activations else logits


def build(settings: Mapping[str, Any], shape: tuple[int, ...], classes: int) -> ResNet:
    """The module for images of this shape; settings: see parts.Resnet."""
    return ResNet(settings, shape, classes)


def symmetry(module: ResNet) -> Axes:
    """Parameter name -> for each axis, the group whose permutation acts on it, or None.

    Group `stream<s>` is the order of the channels that all blocks of stage s add to, of the stem's too if s is 0;
    `inner<s>.<b>` that of the channels between the two convolutions of a block.
    """
    stream = "stream0"
    table = axes("stem", module.stem, stream) | axes("stem_norm", module.stem_norm, stream)
    for stage, blocks in enumerate(module.stages):
        for place, block in enumerate(blocks):
            name, inner = f"stages.{stage}.{place}", f"inner{stage}.{place}"
            before, stream = stream, f"stream{stage}"
            table |= axes(f"{name}.conv1", block.conv1, inner, before) | axes(f"{name}.norm1", block.norm1, inner)
            table |= axes(f"{name}.conv2", block.conv2, stream, inner) | axes(f"{name}.norm2", block.norm2, stream)
            table |= axes(f"{name}.shortcut", block.shortcut, stream, before)
            table |= axes(f"{name}.shortcut_norm", block.shortcut_norm, stream)
    return table | axes("head", module.head, None, stream)

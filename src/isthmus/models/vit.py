"""Vision transformers (Dosovitskiy et al. 2021): patches as tokens, pre-normalised blocks, learned positions."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.errors import UserError
from isthmus.models.attention import Attention, attention_axes
from isthmus.models.images import image_shape
from isthmus.models.initialise import initialise
from isthmus.models.layers import ACTIVATIONS, Axes, Dropout, LayerNorm, Linear, axes
from isthmus.models.roles import Role, parameter

__all__ = ["build", "initialise", "symmetry"]


class Block(nn.Module):
    """Attention, then a perceptron of one hidden layer; each normalises what it reads and adds to the stream."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        width, hidden = settings["width"], round(settings["width"] * settings["mlp_ratio"])
        self.norm1, self.attention = LayerNorm(width), Attention(width, settings["heads"])
        self.norm2, self.into, self.out = LayerNorm(width), Linear(width, hidden), Linear(hidden, width)
        self.dropout1, self.dropout2 = Dropout(settings["dropout"]), Dropout(settings["dropout"])
        self.activation = ACTIVATIONS[settings["activation"]]

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The stream (..., N, T, width) after this block, and its own groups' activations."""
        added, matches, given = self.attention(self.norm1(x))
        x = x + self.dropout1(added)
        hidden = self.activation(self.into(self.norm2(x)))
        own = {"match": matches, "value": given, "heads": given.transpose(-2, -1), "hidden": hidden}
        return x + self.dropout2(self.out(hidden)), own


class ViT(nn.Module):
    """`embed` makes tokens of patches, `blocks.k` work on them, `head` reads the class token or the mean token."""

    on_rows = True

    def __init__(self, settings: Mapping[str, Any], shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        channels, height, width = image_shape(shape)
        self.patch, features = settings["patch"], settings["width"]
        if height % self.patch or width % self.patch:
            wanted = f"wanted a divisor of the images' {height} x {width} pixels"
            raise UserError(f"study.yaml, model.vit.patch: {wanted}, found {self.patch}")
        if features % settings["heads"]:
            found = f"found {settings['heads']}"
            raise UserError(f"study.yaml, model.vit.heads: wanted a divisor of the width {features}, {found}")
        tokens = (height // self.patch) * (width // self.patch)
        self.embed = Linear(channels * self.patch**2, features)
        self.token = parameter(Role("embedding"), features) if settings["pool"] == "token" else None
        self.positions = parameter(Role("embedding"), tokens + (self.token is not None), features)
        self.dropout = Dropout(settings["dropout"])
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings["depth"]))
        self.norm, self.head = LayerNorm(features), Linear(features, classes)

    def forward(self, x: Tensor, activations: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Logits (..., N, classes) of images (..., N, C, H, W).

        With `activations`, also group -> (..., N, places..., width): of the hidden units after the activation
        function at each token, of the stream after the last block, of what heads give, and of queries and keys.
        """
        hidden = {}
        x = self.embed(self._patches(x))
        if self.token is not None:
            token = self.token.unsqueeze(-2).unsqueeze(-2).expand(*x.shape[:-2], 1, -1)
            x = torch.cat([token, x], dim=-2)
        x = self.dropout(x + self.positions.unsqueeze(-3))
        for place, block in enumerate(self.blocks):
            x, own = block(x)
            hidden |= {f"{kind}{place}": value for kind, value in own.items()}
        hidden["stream"] = x
        x = self.norm(x)
        logits = self.head(x.mean(-2) if self.token is None else x[..., 0, :])
        return (logits, hidden) if activations else logits

    def _patches(self, x: Tensor) -> Tensor:
        """Patches (..., N, T, channels * patch^2) of images, row by row; each as it would meet a kernel."""
        x = x.unflatten(-1, (-1, self.patch)).unflatten(-3, (-1, self.patch))
        return x.movedim((-4, -2), (-5, -4)).flatten(-3).flatten(-3, -2)


def build(settings: Mapping[str, Any], shape: tuple[int, ...], classes: int) -> ViT:
    """The module for images of this shape; settings: see parts.Vit. UserError where patches or heads do not fit."""
    return ViT(settings, shape, classes)


def symmetry(module: ViT) -> Axes:
    """Parameter name -> for each axis, the group whose permutation acts on it, or None.

    Group `stream` is the order of the units that all blocks read and add to, `hidden<k>` that of block k's hidden
    units, `heads<k>` that of its heads; `match<k>` and `value<k>`: see attention_axes.
    """
    table: Axes = {} if module.token is None else {"token": ("stream",)}
    table |= {"positions": (None, "stream")} | axes("embed", module.embed, "stream")
    for place, block in enumerate(module.blocks):
        name, hidden = f"blocks.{place}", f"hidden{place}"
        table |= axes(f"{name}.norm1", block.norm1, "stream") | axes(f"{name}.norm2", block.norm2, "stream")
        table |= attention_axes(f"{name}.attention", "stream", f"heads{place}", f"match{place}", f"value{place}")
        table |= axes(f"{name}.into", block.into, hidden, "stream")
        table |= axes(f"{name}.out", block.out, "stream", hidden)
    return table | axes("norm", module.norm, "stream") | axes("head", module.head, None, "stream")

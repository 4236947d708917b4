"""VGG (Simonyan & Zisserman 2015) for small images: five stages of 3x3 convolutions, max-pooling after each."""

from collections.abc import Mapping
from typing import Any

from isthmus.models.cnn import ConvNet, initialise, symmetry

__all__ = ["build", "initialise", "symmetry"]

# Depth -> convolutions in each stage (Simonyan & Zisserman 2015, table 1: configurations A, B, D and E), and a
# stage's channels as a multiple of the first one's.
_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_FACTORS = (1, 2, 4, 8, 8)


def build(settings: Mapping[str, Any], shape: tuple[int, ...], classes: int) -> ConvNet:
    """The module for images of this shape; settings: see parts.Vgg.

    A pool that no longer fits is left out (the fifth for images of 28 pixels, the last two for 8), and what is left
    of the image is averaged: the linear layers see channels.
    """
    stages = list(zip(_FACTORS, _STAGES[settings["depth"]], strict=True))
    channels = [settings["width"] * factor for factor, count in stages for _ in range(count)]
    pooled = [place == count - 1 for _, count in stages for place in range(count)]
    return ConvNet({**settings, "pool": "max", "head": "global"}, channels, pooled, shape, classes)

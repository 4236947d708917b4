"""Images changed anew at every update, as a function of a network's own (seed, order) and the step.

What is drawn belongs to a network; what is done with it is done to the images of all networks at once.
"""

from collections.abc import Mapping, Sequence
from math import pi
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from isthmus.engine.recipe import Network
from isthmus.engine.streams import stream
from isthmus.errors import UserError


def draws(settings: Mapping[str, Any], networks: Sequence[Network], step: int, batch: int) -> dict[str, Tensor]:
    """Kind -> what is drawn for each image (R, batch, ...) of update `step`.

    flip: bool. crop, translate: (rows, columns) to move by, int64 pixels. rotate: radians, counter-clockwise.
    Networks of equal (seed, order) draw the same.
    """
    orders = [(network.seed, network.order) for network in networks]
    drawn = {}
    for kind, size in settings.items():
        of_order = {
            (seed, order): _draw(kind, size, stream(seed, "augment", kind, order, step), batch)
            for seed, order in dict.fromkeys(orders)
        }
        drawn[kind] = torch.from_numpy(np.stack([of_order[order] for order in orders]))
    return drawn


def _draw(kind: str, size: Any, rng: np.random.Generator, batch: int) -> np.ndarray:
    match kind:
        case "flip":
            return rng.random(batch) < 0.5
        case "crop" | "translate":
            return rng.integers(-size, size + 1, (batch, 2))
        case "rotate":
            return ((2 * rng.random(batch) - 1) * size * pi / 180).astype(np.float32)
    raise UserError(f"study.yaml, augment: wanted one of flip, crop, translate, rotate, found {kind!r}")


def augment(x: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
    """Images (R, N, C, H, W) turned, moved, cropped and flipped, in this order, by what `draws` gave.

    rotate: bilinear, 0 from outside. translate: the image goes on beyond its border as in a mirror. crop: of the
    image padded by zeros (He et al. 2016, section 4.2). 0 is the mean of the data where they are standardised.
    """
    if x.ndim != 5:
        raise UserError(f"study.yaml, augment: wanted data of images, found inputs of shape {tuple(x.shape[2:])}")
    images = x.flatten(0, 1)
    by = {kind: value.flatten(0, 1) for kind, value in drawn.items()}
    if "rotate" in by:
        images = _turned(images, by["rotate"])
    if "translate" in by:
        images = _moved(images, by["translate"], mirrored=True)
    if "crop" in by:
        images = _moved(images, by["crop"], mirrored=False)
    if "flip" in by:
        images = torch.where(by["flip"].view(-1, 1, 1, 1), images.flip(3), images)
    return images.view_as(x)


def _turned(images: Tensor, angles: Tensor) -> Tensor:
    """Images (B, C, H, W) turned counter-clockwise about their middle by angles (B,) in radians."""
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    # The grid's unit is half a side, so that an oblong image needs the ratio of its sides.
    ratio = images.shape[2] / images.shape[3]
    matrices = torch.stack([torch.stack([cos, -sin * ratio, zero], 1), torch.stack([sin / ratio, cos, zero], 1)], 1)
    grid = functional.affine_grid(matrices, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def _moved(images: Tensor, by: Tensor, mirrored: bool) -> Tensor:
    """Images (B, C, H, W) whose pixel (i, j) is the old one (i + by[0], j + by[1]); by: (B, 2)."""
    height, width = images.shape[2:]
    rows, inside_rows = _places(height, by[:, 0], mirrored)
    columns, inside_columns = _places(width, by[:, 1], mirrored)
    index = (rows.unsqueeze(2) * width + columns.unsqueeze(1)).flatten(1)
    moved = images.flatten(2).gather(2, index.unsqueeze(1).expand(-1, images.shape[1], -1)).view_as(images)
    inside = inside_rows.unsqueeze(2) & inside_columns.unsqueeze(1)
    return moved.masked_fill(~inside.unsqueeze(1), 0.0)


def _places(size: int, by: Tensor, mirrored: bool) -> tuple[Tensor, Tensor]:
    """Where each of `size` pixels of a line comes from (B, size), and whether there is any: in a mirror, always."""
    wanted = torch.arange(size, device=by.device) + by.unsqueeze(1)
    if not mirrored:
        return wanted.clamp(0, size - 1), (wanted >= 0) & (wanted < size)
    there_and_back = max(1, 2 * (size - 1))
    wanted = wanted.remainder(there_and_back)
    return torch.minimum(wanted, there_and_back - wanted), torch.ones_like(wanted, dtype=torch.bool)

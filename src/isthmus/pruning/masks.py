"""Masks, bool (R, P), True where a scalar is kept: each comes of keeping the largest scores of what is left.

What may be pruned is the slots of `prunable`, name -> slot; everything else in a row is always kept. How much is
kept is a density: of all prunable weights together where it is a number, layer by layer where it is a mapping.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import Tensor

from isthmus.engine.layout import Layout, Slot
from isthmus.engine.streams import stream
from isthmus.errors import UserError
from isthmus.symmetry import table

Slots = Mapping[str, Slot]
Density = float | Mapping[str, float]

# Scores sorted at once, 64 MB of float32; their order takes twice that.
_BLOCK = 1 << 24


def prunable(layout: Layout, spared: Sequence[str] = ()) -> dict[str, Slot]:
    """Name -> slot of the weights of linear layers and convolutions, without those that a pattern spares.

    Patterns are those of Recipe.frozen, such as `head.*` or `*.shortcut.*`. Raises UserError where one of them
    names no weight, and where nothing is left.
    """
    weights = {name: slot for name, slot in layout.parameters.items() if slot.role.kind == "weight"}
    for pattern in spared:
        if not any(fnmatchcase(name, pattern) for name in weights):
            raise UserError(f"spared: wanted names among {', '.join(weights)}, found {pattern!r}")
    slots = {name: slot for name, slot in weights.items() if not any(fnmatchcase(name, p) for p in spared)}
    if not slots:
        raise UserError(f"spared: wanted a weight left to prune, found all of {', '.join(weights)} spared")
    return slots


def counts(slots: Slots, mask: Tensor) -> dict[str, Tensor]:
    """Layer -> how many of its weights (R,) the mask (R, P) keeps, int64."""
    return {name: mask[:, slot.start : slot.stop].sum(1) for name, slot in slots.items()}


def density(slots: Slots, mask: Tensor) -> Tensor:
    """Share (R,) of the prunable weights that the mask (R, P) keeps, float64."""
    return sum(counts(slots, mask).values()).double() / sum(map(_size, slots.values()))


def layer_density(slots: Slots, mask: Tensor) -> dict[str, Tensor]:
    """Layer -> share (R,) of its weights that the mask (R, P) keeps, float64."""
    return {name: kept.double() / _size(slots[name]) for name, kept in counts(slots, mask).items()}


def largest(slots: Slots, scores: Tensor, mask: Tensor, density: Density) -> Tensor:
    """The mask (R, P) of the largest scores (R, P) among what the mask (R, P) keeps: nested in it, of this density.

    Of n weights round(density n) are kept, half to even; of equal scores the first in the row; a score that is not
    a number, as a diverged network's, is the least. density: of all weights, or layer -> density; layers that are
    not named stay as they are. Raises ValueError for one outside [0, 1], and where the mask has fewer weights left.
    """
    found = mask.clone()
    for columns, kept in _scopes(slots, density):
        columns = columns.to(mask.device)
        step = max(1, _BLOCK // len(columns))
        for start in range(0, len(mask), step):
            rows = slice(start, start + step)
            found[rows, columns] = _select(scores[rows, columns], mask[rows, columns], kept)
    return found


def magnitude(slots: Slots, theta: Tensor, mask: Tensor, density: Density) -> Tensor:
    """The mask (R, P) of the largest |w| of the rows theta (R, P) among what the mask (R, P) keeps.

    Global pruning where density is a number, else layerwise (Frankle & Carbin 2019); see `largest`.
    """
    return largest(slots, theta.abs(), mask, density)


def random(slots: Slots, mask: Tensor, density: Density, seeds: Sequence[int]) -> Tensor:
    """A mask (R, P) of this density, drawn among what the mask (R, P) keeps; row r by seeds[r]."""
    drawn = np.stack([stream(seed, "random mask").random(mask.shape[1]) for seed in seeds])
    return largest(slots, torch.from_numpy(drawn).to(mask.device), mask, density)


def shuffled(slots: Slots, mask: Tensor, seeds: Sequence[int]) -> Tensor:
    """The mask (R, P) with the places of each layer in random order, so that each keeps as many weights as before.

    Row r depends on seeds[r] and its own mask: the random pruning of Frankle et al. (2020).
    """
    found = mask.clone()
    orders = table.random({name: _size(slot) for name, slot in slots.items()}, seeds, "shuffled mask")
    for name, slot in slots.items():
        found[:, slot.start : slot.stop] = mask[:, slot.start : slot.stop].gather(1, orders[name].to(mask.device))
    return found


def _size(slot: Slot) -> int:
    return slot.stop - slot.start


def _scopes(slots: Slots, density: Density) -> Iterator[tuple[Tensor, int]]:
    """The columns that are compared with each other, and how many of them are kept."""
    if isinstance(density, Mapping):
        unknown = sorted({*density} - {*slots})
        if unknown:
            raise ValueError(f"density: wanted layers among {', '.join(slots)}, found {', '.join(unknown)}")
        groups = [([slots[name]], share) for name, share in density.items()]
    else:
        groups = [([*slots.values()], density)]
    for members, share in groups:
        if not 0 <= share <= 1:
            raise ValueError(f"density: wanted a share in [0, 1], found {share}")
        columns = torch.cat([torch.arange(slot.start, slot.stop) for slot in members])
        yield columns, round(share * len(columns))


def _select(scores: Tensor, left: Tensor, kept: int) -> Tensor:
    """The largest scores (R, n) of those that are left (R, n)."""
    fewest = int(left.sum(1).min())
    if fewest < kept:
        raise ValueError(f"density: wanted {kept} of {left.shape[1]} weights kept, found {fewest} left in the mask")
    least = torch.finfo(scores.dtype).min
    scores = scores.nan_to_num(least, torch.inf, least).masked_fill(~left, -torch.inf)
    order = scores.sort(dim=1, descending=True, stable=True).indices
    return torch.zeros_like(left).scatter_(1, order[:, :kept], True)

"""Permuting the units of networks, by a symmetry table: parameter name -> for each axis, the group that acts on it.

A permutation is an index: unit i of the new network is unit p[i] of the old one. Permuting a row of
parameters is then a gather on the row, whatever the architecture.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from isthmus.engine.layout import Layout
from isthmus.engine.streams import stream

Axes = Mapping[str, tuple[str | None, ...]]
Perms = dict[str, Tensor]


def group_sizes(layout: Layout, axes: Axes) -> dict[str, int]:
    """Group -> number of its units, in the table's order.

    Raises ValueError when two axes give one group different sizes, or the table does not fit the layout.
    """
    sizes: dict[str, int] = {}
    for name, groups in axes.items():
        shape = layout.slots[name].shape
        for group, size in zip(groups, shape, strict=True):
            if group is not None and sizes.setdefault(group, size) != size:
                raise ValueError(f"group {group!r} acts on {sizes[group]} units and on {size}, in {name!r}")
    return sizes


def row_index(layout: Layout, axes: Axes, perms: Mapping[str, Tensor]) -> Tensor:
    """Columns (K, P) such that row.gather(1, columns) is the row permuted by perms (K, n); absent groups stay.

    perms of fewer units (K, m) leave the others out: the columns are those of the row cut to these.
    """
    count, device = next((len(p), p.device) for p in perms.values())
    parts = []
    for name, slot in layout.slots.items():
        index = torch.full((1,) * (len(slot.shape) + 1), slot.start, device=device)
        stride, shape = 1, []
        for axis in reversed(range(len(slot.shape))):
            size = slot.shape[axis]
            group = axes[name][axis]
            moved = perms[group] if group in perms else torch.arange(size, device=device).unsqueeze(0)
            ones = [1] * len(slot.shape)
            ones[axis] = moved.shape[1]
            index = index + stride * moved.reshape(-1, *ones)
            stride *= size
            shape.insert(0, moved.shape[1])
        parts.append(index.expand(count, *shape).reshape(count, -1))
    return torch.cat(parts, dim=1)


def permute(layout: Layout, axes: Axes, perms: Mapping[str, Tensor], theta: Tensor) -> Tensor:
    """Rows (K, P) with the units of row k in the order perms[group][k]: the same functions, other rows."""
    return theta.gather(1, row_index(layout, axes, perms).to(theta.device))


def identity(sizes: Mapping[str, int], count: int) -> Perms:
    """`count` permutations (count, n) of each group that move nothing."""
    return {group: torch.arange(n).expand(count, n).clone() for group, n in sizes.items()}


def random(sizes: Mapping[str, int], seeds: Sequence[int], purpose: str = "permutation") -> Perms:
    """Uniform permutations (K, n) of each group; row k depends on seeds[k], the purpose and the group alone."""
    return {
        group: torch.from_numpy(np.stack([stream(seed, purpose, group).permutation(n) for seed in seeds]))
        for group, n in sizes.items()
    }


def inverse(perms: Mapping[str, Tensor]) -> Perms:
    """The permutations that undo these."""
    return {group: p.argsort(dim=1) for group, p in perms.items()}


def compose(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> Perms:
    """One permutation for `first`, then `second`: permute(second, permute(first, theta))."""
    return {group: p.gather(1, second[group]) for group, p in first.items()}


def is_bijection(perms: Mapping[str, Tensor]) -> bool:
    """Whether every row of every group holds each of 0 ... n - 1 once."""
    return all(
        bool((p.sort(dim=1).values == torch.arange(p.shape[1], device=p.device)).all()) for p in perms.values()
    )

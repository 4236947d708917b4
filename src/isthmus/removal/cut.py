"""Rows made smaller: without the units that have been removed, by the symmetry table, whatever the architecture.

Every axis of a parameter or statistic that a group of units acts on loses the removed ones: the row of the layer
that makes a unit, its bias, its normalisation, and its column in each layer that reads it. Rows that are computed
together are cut to the widest of them, group by group. What the narrower ones have too much is removed units of
their own, which are zero, so that rows stay distinct columns of the whole row and nothing has to be filled in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.layout import Layout, Slot
from isthmus.symmetry.table import row_index

# Group -> bool (R, n): which of its units are left.
Live = Mapping[str, Tensor]


@dataclass(frozen=True)
class Cut:
    """How R rows are cut: to a smaller architecture, with these columns (R, P') of the whole rows.

    units: group -> which units (R, w) are kept, in their order, those that are left first. size: P of whole rows.
    """

    architecture: Architecture
    columns: Tensor
    units: Mapping[str, Tensor]
    size: int

    @classmethod
    def of(cls, architecture: Architecture, live: Live, device: torch.device | str = "cpu") -> "Cut":
        """The cut of rows with these units left. A group without any keeps one, which is zero."""
        units = {
            group: (~left).int().argsort(dim=1, stable=True)[:, : max(1, int(left.sum(1).max()))]
            for group, left in live.items()
        }
        layout = architecture.layout
        columns = row_index(layout, architecture.axes, units).to(device)
        widths = {group: kept.shape[1] for group, kept in units.items()}
        small = replace(architecture, layout=_cut(layout, architecture.axes, widths))
        return cls(small, columns, units, layout.size)

    def take(self, values: Tensor) -> Tensor:
        """A copy (R, P') of whole rows (R, P), or of their trained columns alone of trained columns alone."""
        whole = values.shape[1] == self.size
        return values.gather(1, self.columns if whole else self.columns[:, : self.architecture.layout.trained])

    def put(self, values: Tensor, small: Tensor) -> None:
        """Write rows (R, P') or their trained columns back, in place, to the whole rows that they were taken of."""
        values.scatter_(1, self.columns[:, : small.shape[1]], small)


def scalars(layout: Layout, axes: Mapping[str, tuple[str | None, ...]], live: Live) -> Tensor:
    """Which scalars (R, P) of rows are left, bool: those of which no axis stands for a removed unit."""
    count = len(next(iter(live.values())))
    parts = []
    for name, slot in layout.slots.items():
        kept = torch.ones((count, *slot.shape), dtype=torch.bool)
        for axis, group in enumerate(axes[name]):
            if group is not None:
                ones = [1] * len(slot.shape)
                ones[axis] = slot.shape[axis]
                kept &= live[group].view(count, *ones)
        parts.append(kept.flatten(1))
    return torch.cat(parts, dim=1)


def _cut(layout: Layout, axes: Mapping[str, tuple[str | None, ...]], widths: Mapping[str, int]) -> Layout:
    """The layout of rows whose groups have these widths."""
    slots, start, trained = {}, 0, 0
    for name, slot in layout.slots.items():
        shape = tuple(widths.get(group, size) for group, size in zip(axes[name], slot.shape, strict=True))
        stop = start + torch.Size(shape).numel()
        slots[name] = Slot(start, stop, shape, slot.role)
        trained = stop if slot.stop <= layout.trained else trained
        start = stop
    return Layout(slots, start, trained)

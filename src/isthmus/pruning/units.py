"""What a mask leaves of each hidden unit: how many connections, counted through the symmetry table."""

from math import prod

import torch
from torch import Tensor

from isthmus.engine.layout import Layout, Slot
from isthmus.symmetry.table import Axes

# Group -> how many connections (R, n) each of its units has.
Degrees = dict[str, Tensor]


def degrees(layout: Layout, axes: Axes, mask: Tensor) -> tuple[Degrees, Degrees]:
    """How many weights the mask (R, P) keeps into each unit, and how many out of each: group -> (R, n), int64.

    A group stands only where weights make its units, or read them. Where several layers do, as on a residual
    stream, all count; so does a recurrent unit's weight to itself.
    """
    into: Degrees = {}
    out: Degrees = {}
    for name, kept in layout.split(mask).items():
        slot = layout.slots[name]
        if slot.role.kind != "weight":
            continue
        first = first_input(slot, axes[name])
        for axis, group in enumerate(axes[name]):
            if group is not None:
                side = into if axis < first else out
                side[group] = side.get(group, 0) + kept.movedim(axis + 1, 1).flatten(2).sum(2)
    return into, out


def dead_units(layout: Layout, axes: Axes, mask: Tensor) -> dict[str, Tensor]:
    """Group -> how many of its units (R,) have lost all weights into them, or all out of them."""
    sides, found = degrees(layout, axes, mask), {}
    for group in dict.fromkeys(group for side in sides for group in side):
        lost = [side[group] == 0 for side in sides if group in side]
        found[group] = torch.stack(lost).any(0).sum(1)
    return found


def first_input(slot: Slot, groups: tuple[str | None, ...]) -> int:
    """The axis of a weight where its inputs begin: those before it are its units.

    A unit sums fan_in inputs, the product of the last axes. Axes of size 1 leave a choice, which the groups settle:
    there are some on either side of a hidden layer.
    """
    places = [at for at in range(1, len(slot.shape)) if prod(slot.shape[at:]) == slot.role.fan_in]
    return max(places, key=lambda at: (any(groups[:at]), any(groups[at:]), at))

"""What PyTorch's operations do to units: how an output's units lie when those of its inputs do.

A rule takes the units, the output's shape and the operation's arguments, tensors as `Seen`; it ties or fixes axes
and gives the cells of the output. An operation without a rule (known.py) fixes all that goes in.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from isthmus.symmetry.units import Cell, Seen, Units

Cells = tuple[Cell, ...]
Rule = Callable[..., Cells]


def elementwise(units: Units, out: tuple[int, ...], *args: Any, **options: Any) -> Cells:
    """Each entry of the output from those at its own place: axes of all tensors are tied as they broadcast.

    Softmax and the like, which treat all entries along an axis alike, belong here too.
    """
    tensors = [value for value in (*args, *options.values()) if isinstance(value, Seen)]
    cells = []
    for axis in range(-len(out), 0):
        full = [seen.cells[axis] for seen in tensors if -axis <= len(seen.shape) and seen.shape[axis] == out[axis]]
        cell = full[0] if out[axis] > 1 and full else None
        for other in full[1:] if out[axis] > 1 else ():
            cell = units.tie(cell, other)
        cells.append(cell)
    return tuple(cells)


def reduce(
    units: Units, out: tuple[int, ...], x: Seen, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Cells:
    """A sum, mean or maximum over axes, which no order of these changes."""
    axes = range(len(x.shape)) if dim is None else [dim] if isinstance(dim, int) else dim
    gone = {axis % len(x.shape) for axis in axes}
    kept = [None if axis in gone else cell for axis, cell in enumerate(x.cells) if keepdim or axis not in gone]
    return tuple(kept)


def linear(units: Units, out: tuple[int, ...], input: Seen, weight: Seen, bias: Seen | None = None) -> Cells:
    """Units of the weight's axis 1 in, those of its axis 0 out."""
    units.tie(input.cells[-1], weight.cells[1])
    made = weight.cells[0] if bias is None else units.tie(weight.cells[0], bias.cells[0])
    return (*input.cells[:-1], made)


def matmul(units: Units, out: tuple[int, ...], input: Seen, other: Seen) -> Cells:
    """A product of matrices, whatever stands before their last two axes."""
    if min(len(input.shape), len(other.shape)) < 2:
        return unknown(units, out, input, other)
    units.tie(input.cells[-1], other.cells[-2])
    before = [Seen(seen.shape[:-2], seen.cells[:-2]) for seen in (input, other)]
    return (*elementwise(units, out[:-2], *before), input.cells[-2], other.cells[-1])


def convolution(places: int, made: int = 0) -> Rule:
    """The rule of convolutions over so many axes, whose weight has the units that it makes on axis `made`.

    A depthwise one keeps its input's units, other groups tell blocks of them apart.
    """

    def rule(
        units: Units,
        out: tuple[int, ...],
        input: Seen,
        weight: Seen,
        bias: Seen | None = None,
        stride: Any = 1,
        *sizes: Any,
        groups: int = 1,
        **others: Any,
    ) -> Cells:
        # torch.conv2d and torch.conv_transpose2d agree on the place of `groups`, third behind the stride.
        groups = sizes[2] if len(sizes) > 2 else groups
        channels, own = input.cells[-places - 1], weight.cells[made]
        units.fix((*weight.cells[2:], *input.cells[-places:]), "they are places of a kernel or an image")
        if groups == 1:
            units.tie(channels, weight.cells[1 - made])
        elif made == 0 and weight.shape[:2] == (groups, 1):
            units.tie(channels, own)
        else:
            units.fix((channels, *weight.cells), "a grouped convolution tells blocks of them apart")
        if bias is not None:
            units.tie(own, bias.cells[0])
        return (*input.cells[: -places - 1], own, *(None,) * places)

    return rule


def channelwise(axis: int) -> Rule:
    """The rule of what treats the channels on this axis alike, with parameters and statistics for each."""

    def rule(units: Units, out: tuple[int, ...], input: Seen, *own: Any, **named: Any) -> Cells:
        for value in (*own, *named.values()):
            if isinstance(value, Seen) and value.shape != (1,):
                units.tie(input.cells[axis], value.cells[0])
        return input.cells

    return rule


def layer_norm(
    units: Units,
    out: tuple[int, ...],
    input: Seen,
    normalized_shape: Any,
    weight: Seen | None = None,
    bias: Any = None,
    eps: float | None = None,
) -> Cells:
    """Normalisation over all entries of the last axes: they have no order but their scales and shifts'."""
    for own in (weight, bias):
        # RMSNorm has its eps where LayerNorm has its bias.
        for axis in range(-len(own.shape), 0) if isinstance(own, Seen) else ():
            units.tie(input.cells[axis], own.cells[axis])
    return input.cells


def group_norm(
    units: Units,
    out: tuple[int, ...],
    input: Seen,
    num_groups: int,
    weight: Seen | None = None,
    bias: Seen | None = None,
    eps: float = 1e-5,
) -> Cells:
    """Normalisation over blocks of channels, which may move only where all are one block or each is its own."""
    if num_groups not in (1, input.shape[1]):
        units.fix(input.cells[1:2], "GroupNorm tells blocks of them apart")
    return channelwise(1)(units, out, input, weight, bias)


def places(count: int | None = None) -> Rule:
    """The rule of pools and resizing over the last `count` axes (all but two where None), which must stay."""

    def rule(units: Units, out: tuple[int, ...], input: Seen, *settings: Any, **others: Any) -> Cells:
        last = len(input.shape) - 2 if count is None else count
        units.fix(input.cells[-last:], "pooled or resized, they are places")
        return (*input.cells[:-last], *(None,) * last)

    return rule


def pad(units: Units, out: tuple[int, ...], input: Seen, pad: Any, *how: Any, **named: Any) -> Cells:
    """Padding: of the axes padded nothing may move."""
    return places(len(pad) // 2)(units, out, input)


def cat(units: Units, out: tuple[int, ...], tensors: Any, dim: int = 0) -> Cells:
    """Side by side on one axis: no single order of its units is left, but the other axes are tied."""
    parts = [[*seen.cells] for seen in tensors]
    for cells in parts:
        units.fix([cells[dim]], "they are put beside others on one axis")
        cells[dim] = None
    return elementwise(units, out, *(Seen(out, tuple(cells)) for cells in parts))


def rearrange(operation: Callable[..., Tensor]) -> Rule:
    """The rule of views: an axis goes on where the output has one of its size and its stride.

    Those of a tensor without values tell: its axes of more than one entry differ in their strides.
    """

    def rule(units: Units, out: tuple[int, ...], input: Any, *args: Any, **named: Any) -> Cells:
        if not isinstance(input, Seen) or any(isinstance(value, Seen) for value in flat((args, named))):
            return unknown(units, out, input, *args, **named)
        before = torch.empty(input.shape, device="meta")
        after = operation(before, *args, **named)
        if after is not before and after._base is not before:
            # A copy: indexed by a list, say, in an order that its strides do not tell.
            return unknown(units, out, input)
        axes = {
            (size, stride): cell
            for size, stride, cell in zip(input.shape, before.stride(), input.cells, strict=True)
            if size > 1
        }
        shown = [*zip(after.shape, after.stride(), strict=True)]
        units.fix((cell for key, cell in axes.items() if key not in shown), "their axis is not kept whole")
        return tuple(axes.get(key) for key in shown)

    return rule


def unknown(units: Units, out: tuple[int, ...], *args: Any, **named: Any) -> Cells:
    """Nothing is known: what goes in must stay."""
    fix(units, (args, named), "of what becomes of them there nothing is known")
    return (None,) * len(out)


def fix(units: Units, values: Any, reason: str) -> None:
    """The axes of all tensors among nested values must stay."""
    for value in flat(values):
        if isinstance(value, Seen):
            units.fix(value.cells, reason)


def flat(values: Any) -> list[Any]:
    """All values in nested tuples, lists and dictionaries."""
    if isinstance(values, dict):
        return flat([*values.values()])
    if isinstance(values, (tuple, list)):
        return [one for value in values for one in flat(value)]
    return [values]

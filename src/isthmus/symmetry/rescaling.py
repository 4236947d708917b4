"""Positive rescaling of relu units: what makes a unit times c, what reads it divided by c, the function the same.

Which groups have this symmetry follows from the model's settings; a canonical scale makes rows comparable where
distances, matchings and sharpness are not blind to it.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.layout import Layout
from isthmus.symmetry.table import Axes, group_sizes

_HOMOGENEOUS = ("relu", "leaky_relu")

# Family -> how the names of those groups begin whose units meet nothing but the activation function, pools and sums
# with other outputs for the same unit.
_GROUPS = {"mlp": ("h",), "cnn": ("c", "d"), "vgg": ("c", "d"), "resnet": ("inner", "stream"), "vit": ("hidden",)}

Scales = Mapping[str, Tensor]


def rescalable(architecture: Architecture) -> list[str]:
    """The groups whose units may be rescaled, in the table's order: with (leaky) relu, without normalisation.

    Of MLPs, CNNs, VGGs, ResNets (a stream is scaled in all that adds to it) and the hidden layers of transformers.
    Recurrent layers are left out, where a unit reads its neighbours and cannot be balanced without them.
    """
    return groups_with(architecture, _HOMOGENEOUS, _GROUPS)


def groups_with(
    architecture: Architecture, activations: tuple[str, ...], families: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """The groups, named as their family has it, of units with one of these activations and no normalisation."""
    layout, axes, settings = architecture.layout, architecture.axes, architecture.settings
    if settings.get("activation", settings.get("cell")) not in activations:
        return []
    begins = families.get(architecture.family.__name__.rpartition(".")[2], ())
    other = [name for name, slot in layout.slots.items() if slot.role.kind not in ("weight", "bias")]
    normed = {group for name in other for group in axes[name]}
    return [group for group in group_sizes(layout, axes) if group.startswith(begins) and group not in normed]


def rescale(layout: Layout, axes: Axes, scales: Scales, theta: Tensor) -> Tensor:
    """Rows (K, P) with unit i of each group scales[group][:, i] times as large: scales (K, n), absent groups stay.

    What a group orders on its first axis makes its units and is multiplied; on a later axis it reads them and is
    divided. The functions are the same for positive scales of `rescalable` groups, and for scales of 1 and -1 of
    `signs.flippable` ones.
    """
    parts = layout.split(theta)
    return layout.join({name: _rescaled(part, axes[name], scales) for name, part in parts.items()})


def canonical(architecture: Architecture, theta: Tensor, tolerance: float = 1e-10) -> Tensor:
    """Rows (K, P) that compute the same functions with all `rescalable` units balanced; other groups stay.

    A unit is balanced when its incoming weights and bias are as long as its outgoing weights. Of all rescalings
    this is the one with the shortest row, and there is but one (equi-normalization, Stock et al. 2019, p = 2; here
    biases count). Groups are balanced in turn until no unit's scale moves by more than the tolerance, a fraction.
    Dead units, with nothing incoming or nothing outgoing, keep their scale.
    """
    layout, axes, groups = architecture.layout, architecture.axes, rescalable(architecture)
    if not groups:
        return theta
    squares = {
        name: part.double().square() for name, part in layout.split(theta).items() if {*axes[name]} & {*groups}
    }
    # A kernel's places belong to the same two units.
    squares = {name: part.flatten(3).sum(3) if part.ndim > 3 else part for name, part in squares.items()}
    sizes = group_sizes(layout, axes)
    logs = {group: theta.new_zeros(len(theta), sizes[group], dtype=torch.float64) for group in groups}
    moving = torch.ones(len(theta), 1, dtype=torch.bool, device=theta.device)
    while moving.any():
        largest = torch.zeros(len(theta), 1, dtype=torch.float64, device=theta.device)
        for group in groups:
            # A row that has settled stays, however long its neighbours take.
            step = _imbalance(squares, axes, logs, group) / 4 * moving
            logs[group] = logs[group] + step
            largest = torch.maximum(largest, step.abs().amax(1, keepdim=True))
        moving = largest > tolerance
    return rescale(layout, axes, {group: log.exp() for group, log in logs.items()}, theta)


def _imbalance(squares: Mapping[str, Tensor], axes: Axes, logs: Scales, group: str) -> Tensor:
    """Log (K, n) of the squared outgoing over the squared incoming length of a group's units, 0 of dead ones.

    squares: parameters squared, (K, n) or (K, n, m). logs: group -> logarithms (K, n) of the scales so far.
    """
    scales = {other: (2 * log).exp() for other, log in logs.items()}
    lengths = [torch.zeros_like(logs[group]), torch.zeros_like(logs[group])]
    for name, square in squares.items():
        if group in axes[name]:
            axis = axes[name].index(group)
            own = _rescaled(square, axes[name], scales)
            lengths[axis] = lengths[axis] + (own if own.ndim == 2 else own.sum(2 - axis))
    incoming, outgoing = lengths
    return torch.where((incoming > 0) & (outgoing > 0), (outgoing / incoming).log(), 0.0)


def _rescaled(part: Tensor, groups: tuple[str | None, ...], scales: Scales) -> Tensor:
    """A parameter (K, *shape), its first axis multiplied by its group's scales (K, n), later ones divided."""
    for axis, group in enumerate(groups):
        if group in scales:
            scale = scales[group].to(part.dtype)
            scale = scale.view(len(scale), *(1,) * axis, -1, *(1,) * (part.ndim - axis - 2))
            part = part * scale if axis == 0 else part / scale
    return part

"""Gates on units, z = 1, and the loss's derivatives by them.

A gate stands where its unit is read: it multiplies the unit's column in every weight that reads it, which is the
same as multiplying the unit's activation, pooled or flattened, for each reader. The sum that a residual stream's
unit enters as it is, without a weight, has no gate.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from isthmus.engine.architecture import Architecture
from isthmus.engine.losses import per_example
from isthmus.pruning.units import first_input
from isthmus.symmetry.table import group_sizes


def places(architecture: Architecture) -> Tensor:
    """For each scalar of a row (P,) the gate that it is multiplied by: its place among all groups' units, side by
    side; one beyond the last where there is none.
    """
    layout, axes = architecture.layout, architecture.axes
    sizes = group_sizes(layout, axes)
    total = sum(sizes.values())
    starts = dict(zip(sizes, torch.tensor([0, *sizes.values()]).cumsum(0).tolist(), strict=False))
    found = torch.full((layout.size,), total)
    for name, slot in layout.slots.items():
        if slot.role.kind != "weight":
            continue
        for axis in range(first_input(slot, axes[name]), len(slot.shape)):
            if (group := axes[name][axis]) is not None:
                ones = [1] * len(slot.shape)
                ones[axis] = slot.shape[axis]
                unit = starts[group] + torch.arange(slot.shape[axis]).view(ones)
                found[slot.start : slot.stop] = unit.expand(slot.shape).flatten()
    return found


def sensitivity(architecture: Architecture, theta: Tensor, x: Tensor, y: Tensor, loss: str) -> Tensor:
    """|dL/dz| (R, units) of the mean loss of rows (R, P) on each row's own batch: SNAP (Verdenius et al. 2020).

    x: (R, N, *shape), y: (R, N). BatchNorm takes the batch's statistics.
    """

    def score(gates: Tensor, losses: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(losses.sum(), gates)
        return gradient.abs()

    return _by_rows(architecture, theta, x, y, loss, score)


def flow(architecture: Architecture, theta: Tensor, x: Tensor, y: Tensor, loss: str) -> Tensor:
    """|z (H g)_z| (R, units) at z = 1, H and g Hessian and gradient by the gates: CroP-S (Rachwan et al. 2022).

    What |g|^2 loses, to first order and but for a factor, when a gate closes. By the gates alone, as the code of
    Dufort-Labbé et al. (2024) has it (`early_crop_score`); that of Rachwan et al. takes g by the weights instead.
    Arguments as of `sensitivity`.
    """

    def score(gates: Tensor, losses: Tensor) -> Tensor:
        # PyTorch's fused attention has no second derivative.
        with sdpa_kernel(SDPBackend.MATH):
            (gradient,) = torch.autograd.grad(losses.sum(), gates, create_graph=True)
            (product,) = torch.autograd.grad((gradient.detach() * gradient).sum(), gates)
        return product.abs()

    return _by_rows(architecture, theta, x, y, loss, score)


def _by_rows(
    architecture: Architecture,
    theta: Tensor,
    x: Tensor,
    y: Tensor,
    loss: str,
    score: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Scores (R, units), as many rows at once as fit. A row's loss depends on its gates alone."""
    place = places(architecture).to(theta.device)
    units = sum(group_sizes(architecture.layout, architecture.axes).values())
    step, found = architecture.rows_at_once(x.shape[1]), []
    for start in range(0, len(theta), step):
        rows = slice(start, start + step)
        gates = torch.ones(len(theta[rows]), units, device=theta.device, requires_grad=True)
        # One more, which is no gate, for the scalars that have none.
        factors = functional.pad(gates, (0, 1), value=1.0)[:, place]
        logits = architecture.logits(theta[rows] * factors, x[rows], training=True)
        found.append(score(gates, per_example(loss, logits, y[rows]).mean(1)).detach())
    return torch.cat(found)

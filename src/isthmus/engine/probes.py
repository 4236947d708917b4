"""What can be recorded of rows while they train: each probe is a function of rows and examples, and costs nothing
where no recipe names it.

Gradients of single examples are taken as everything else is: each example becomes a row of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.engine import evaluate
from isthmus.engine.architecture import Architecture
from isthmus.engine.losses import per_example
from isthmus.errors import UserError

# Floats of the gradients of single examples held at once: 64 MB.
_GRADIENTS = 1 << 24


@dataclass(frozen=True)
class View:
    """What a probe sees: rows (R, P) in evaluation mode, examples (N, *shape) and their labels, theta_0 if lazy."""

    architecture: Architecture
    theta: Tensor
    x: Tensor
    y: Tensor
    loss: str
    anchor: Tensor | None


def take(name: str, view: View) -> dict[str, Tensor]:
    """What the probe of this name records: `<name>`, or `<name>/<part>`, -> (R, ...)."""
    if name not in PROBES:
        raise UserError(f"study.yaml, probes: wanted one of {', '.join(PROBES)}, found {name!r}")
    found = PROBES[name](view)
    return {f"{name}/{part}" if part else name: value for part, value in found.items()}


@torch.no_grad()
def loss(view: View) -> dict[str, Tensor]:
    """Loss of each example (R, N)."""
    return {"": per_example(view.loss, logits(view)[""], view.y)}


@torch.no_grad()
def logits(view: View) -> dict[str, Tensor]:
    """Logits of each example (R, N, C), of which most scores of difficulty are functions."""
    return {"": evaluate.logits(view.architecture, view.theta, view.x, view.anchor)}


def gradient_norm(view: View) -> dict[str, Tensor]:
    """Euclidean norm (R, N) of each example's gradient of the loss (GraNd, Paul et al. 2021).

    Over all parameters, those that a mask or the recipe holds included.
    """

    def of_loss(out: Tensor, y: Tensor) -> Tensor:
        return per_example(view.loss, out, y).unsqueeze(-1)

    rows = _gradients(view, of_loss)
    return {"": torch.stack([torch.cat([piece.norm(dim=2) for piece in row]).squeeze(1) for row in rows])}


def kernel(view: View) -> dict[str, Tensor]:
    """Tangent kernel (R, N, C, N, C): inner products of all outputs' gradients (Jacot et al. 2018, section 4).

    Over all parameters, as for `gradient_norm`. In the kernel regime outputs, and gradients, are alpha times f's.
    """
    count, classes = len(view.x), view.architecture.classes
    found = []
    for row in _gradients(view, lambda out, y: out):
        jacobian = torch.cat(list(row)).flatten(0, 1)
        found.append((jacobian @ jacobian.T).view(count, classes, count, classes))
    return {"": torch.stack(found)}


@torch.no_grad()
def activations(view: View) -> dict[str, Tensor]:
    """Group -> activations (R, N, width), or (R, N times places, width), of its units."""
    return _joined([_joined(pieces, 1) for pieces in _activations(view)], 0)


def dead_units(view: View) -> dict[str, Tensor]:
    """Group -> bool (R, width): units whose activation is zero on every example, at every place of it."""
    return evaluate.silent(view.architecture, view.theta, view.x)


PROBES: dict[str, Callable[[View], dict[str, Tensor]]] = {
    function.__name__: function for function in (loss, logits, gradient_norm, activations, dead_units, kernel)
}


def _activations(view: View) -> Iterator[Iterator[dict[str, Tensor]]]:
    """For each block of rows, in order, its activations by group, some examples at a time."""
    step, width = evaluate.blocks(view.architecture, len(view.theta), len(view.x), view.x.device.type)

    def pieces(theta: Tensor) -> Iterator[dict[str, Tensor]]:
        return (view.architecture.activations(theta, view.x[i : i + width]) for i in range(0, len(view.x), width))

    return (pieces(view.theta[start : start + step]) for start in range(0, len(view.theta), step))


def _joined(parts: Iterable[Mapping[str, Tensor]], axis: int) -> dict[str, Tensor]:
    """Group -> its tensors of all parts, end to end along an axis."""
    parts = list(parts)
    return {group: torch.cat([part[group] for part in parts], dim=axis) for group in parts[0]}


def _gradients(view: View, of: Callable[[Tensor, Tensor], Tensor]) -> Iterator[Iterator[Tensor]]:
    """For each row, pieces (n, K, trained columns): gradients of the K values that `of` makes of an example.

    of: (logits (n, 1, C), labels (n, 1)) -> (n, 1, K).
    """
    trained = view.architecture.layout.trained

    def pieces(row: int) -> Iterator[Tensor]:
        # BatchNorm's statistics behind the parameters are data here: PyTorch has no derivative by them.
        parameters, statistics = view.theta[row, :trained], view.theta[row, trained:]
        size = max(1, _GRADIENTS // trained)
        for start in range(0, len(view.x), size):
            x, y = (part[start : start + size].unsqueeze(1) for part in (view.x, view.y))
            leaf = parameters.expand(len(x), -1).clone().requires_grad_()
            theta = torch.cat([leaf, statistics.expand(len(x), -1)], dim=1)
            anchor = None if view.anchor is None else view.anchor[row].expand(len(x), -1)
            values = of(view.architecture.logits(theta, x, anchor), y).sum((0, 1))
            found = [torch.autograd.grad(value, leaf, retain_graph=True)[0] for value in values]
            yield torch.stack(found, dim=1)

    return (pieces(row) for row in range(len(view.theta)))

"""What can be recorded of rows while they train: each probe is a function of rows and examples, and costs nothing
where no recipe names it.

Gradients of single examples are taken as everything else is: each example becomes a row of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.evaluate import blocks, logits
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
    out = logits(view.architecture, view.theta, view.x, view.anchor)
    return {"": per_example(view.loss, out, view.y)}


def gradient_norm(view: View) -> dict[str, Tensor]:
    """Euclidean norm (R, N) of each example's gradient of the loss, over all parameters (GraNd, Paul et al. 2021)."""

    def of_loss(out: Tensor, y: Tensor) -> Tensor:
        return per_example(view.loss, out, y).unsqueeze(-1)

    return {"": torch.stack([torch.cat([g.norm(dim=2) for g in row])[:, 0] for row in _gradients(view, of_loss)])}


def kernel(view: View) -> dict[str, Tensor]:
    """Tangent kernel (R, N, C, N, C): inner products of the gradients of all outputs (Jacot et al. 2018, section 4)."""
    count, classes = len(view.x), view.architecture.classes
    found = []
    for row in _gradients(view, lambda out, y: out):
        jacobian = torch.cat(list(row)).flatten(0, 1)
        found.append((jacobian @ jacobian.T).view(count, classes, count, classes))
    return {"": torch.stack(found)}


@torch.no_grad()
def activations(view: View) -> dict[str, Tensor]:
    """Group -> activations (R, N, width), or (R, N times places, width), of its units."""
    parts: dict[str, list[Tensor]] = {}
    for piece in _pieces(view):
        for group, of_group in piece.items():
            parts.setdefault(group, []).append(of_group)
    return {group: torch.cat(of_group, dim=1) for group, of_group in parts.items()}


@torch.no_grad()
def dead_units(view: View) -> dict[str, Tensor]:
    """Group -> bool (R, width): units whose activation is zero on every example, at every place of it."""
    dead: dict[str, Tensor] = {}
    for piece in _pieces(view):
        for group, of_group in piece.items():
            silent = (of_group == 0).all(dim=1)
            dead[group] = silent & dead.get(group, torch.ones_like(silent))
    return dead


PROBES: dict[str, Callable[[View], dict[str, Tensor]]] = {
    function.__name__: function for function in (loss, gradient_norm, activations, dead_units, kernel)
}


def _pieces(view: View) -> Iterator[dict[str, Tensor]]:
    """Activations by group, some examples at a time."""
    _, width = blocks(view.architecture, len(view.theta), len(view.x))
    for start in range(0, len(view.x), width):
        yield view.architecture.activations(view.theta, view.x[start : start + width])


def _gradients(view: View, of: Callable[[Tensor, Tensor], Tensor]) -> Iterator[Iterator[Tensor]]:
    """For each row, pieces (n, K, trained columns): gradients of the K values that `of` makes of an example's logits.

    of: (logits (n, 1, C), labels (n, 1)) -> (n, 1, K).
    """
    trained = slice(view.architecture.layout.trained)

    def pieces(row: int) -> Iterator[Tensor]:
        size = max(1, _GRADIENTS // view.theta.shape[1])
        for start in range(0, len(view.x), size):
            x, y = (part[start : start + size].unsqueeze(1) for part in (view.x, view.y))
            theta = view.theta[row].expand(len(x), -1).clone().requires_grad_()
            anchor = None if view.anchor is None else view.anchor[row].expand(len(x), -1)
            values = of(view.architecture.logits(theta, x, anchor), y).sum((0, 1))
            found = [torch.autograd.grad(value, theta, retain_graph=True)[0][:, trained] for value in values]
            yield torch.stack(found, dim=1)

    return (pieces(row) for row in range(len(view.theta)))

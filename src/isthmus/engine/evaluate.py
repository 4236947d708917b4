"""Losses and errors of many rows on one data set, in bounded memory."""

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.losses import per_example

# Floats that the activations of one layer take in one block: 4 MB, which stays in a core's cache, and 256 MB.
_BLOCK = {"cpu": 1 << 20, "cuda": 1 << 26}


def blocks(architecture: Architecture, rows: int, examples: int, device: str = "cpu") -> tuple[int, int]:
    """How many (rows, examples) go through the network at once; depends on their numbers, and the kind of device,
    alone.
    """
    examples = max(1, min(examples, _BLOCK[device] // architecture.widest))
    return max(1, min(rows, architecture.rows_at_once(examples, device))), examples


@torch.no_grad()
def logits(architecture: Architecture, theta: Tensor, x: Tensor, anchor: Tensor | None = None) -> Tensor:
    """Logits (R, N, C) of rows (R, P) on shared inputs (N, *shape)."""
    step, width = blocks(architecture, len(theta), len(x), x.device.type)
    parts = []
    for start in range(0, len(theta), step):
        rows = slice(start, start + step)
        fixed = None if anchor is None else anchor[rows]
        pieces = [architecture.logits(theta[rows], x[i : i + width], fixed) for i in range(0, len(x), width)]
        parts.append(torch.cat(pieces, dim=1))
    return torch.cat(parts)


@torch.no_grad()
def silent(architecture: Architecture, theta: Tensor, x: Tensor, everywhere: bool = False) -> dict[str, Tensor]:
    """Group -> bool (R, width): units of rows (R, P) whose activation is zero on all inputs (N, *shape).

    At every place of them; everywhere: of a residual stream, see Architecture.activations.
    """
    step, width = blocks(architecture, len(theta), len(x), x.device.type)
    found: dict[str, list[Tensor]] = {}
    for start in range(0, len(theta), step):
        zero: dict[str, Tensor] = {}
        for i in range(0, len(x), width):
            seen = architecture.activations(theta[start : start + step], x[i : i + width], everywhere)
            for group, values in seen.items():
                zero[group] = (values == 0).all(dim=1) & zero.get(group, True)
        for group, values in zero.items():
            found.setdefault(group, []).append(values)
    return {group: torch.cat(parts) for group, parts in found.items()}


@torch.no_grad()
def evaluate(
    architecture: Architecture,
    theta: Tensor,
    x: Tensor,
    y: Tensor,
    anchor: Tensor | None = None,
    loss: str = "cross_entropy",
) -> tuple[Tensor, Tensor]:
    """Mean loss (R,) in nats and 0-1 error (R,) in [0, 1] of rows (R, P) on inputs x with labels y.

    Sums are in float64, so the number of examples costs no precision. anchor: theta_0 of lazy fleets.
    """
    step, width = blocks(architecture, len(theta), len(x), x.device.type)
    losses = torch.zeros(len(theta), dtype=torch.float64, device=theta.device)
    errors = torch.zeros_like(losses)
    for start in range(0, len(theta), step):
        rows = slice(start, start + step)
        fixed = None if anchor is None else anchor[rows]
        for i in range(0, len(x), width):
            out = architecture.logits(theta[rows], x[i : i + width], fixed)
            labels = y[i : i + width]
            losses[rows] += per_example(loss, out, labels).double().sum(-1)
            errors[rows] += (out.argmax(-1) != labels).double().sum(-1)
    return losses / len(x), errors / len(x)

"""Networks that are linear combinations of others: what curves and planes are made of.

A curve or a plane through networks is a list of coefficients, one for each of its control points; where a
coefficient is 1 and the rest are 0 the row is that control point, exactly.
"""

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.evaluate import evaluate
from isthmus.engine.statistics import refreshed

# Scalars of combined rows, and of the control points copied for them, held at once: 64 MB of float32.
_BLOCK = 1 << 24


def combine(points: Tensor, weights: Tensor) -> Tensor:
    """Rows (R, P): row r is sum_m weights[r, m] points[r, m], of control points (R, M, P) and weights (R, M)."""
    weights = weights.to(points.dtype).unsqueeze(2)
    # Term by term, not a product of matrices: its order of summation must not depend on R.
    total = weights[:, 0] * points[:, 0]
    for m in range(1, points.shape[1]):
        total = total + weights[:, m] * points[:, m]
    return total


@torch.no_grad()
def on_combinations(
    architecture: Architecture,
    points: Tensor,
    weights: Tensor,
    x: Tensor,
    y: Tensor,
    refresh: Tensor | None = None,
    batch: int = 100,
    anchor: Tensor | None = None,
    loss: str = "cross_entropy",
) -> tuple[Tensor, Tensor]:
    """Mean losses (K, T) in nats and 0-1 errors (K, T) in [0, 1] of combinations of control points (K, M, P).

    weights (K, T, M). refresh: inputs from which, in batches of `batch`, each combination gets BatchNorm statistics
    of its own, as any average of networks needs; ValueError where there are statistics and it is missing.
    anchor: theta_0 (K, P) of lazy fleets.
    """
    if refresh is None and architecture.layout.trained < architecture.layout.size:
        raise ValueError("wanted inputs to refresh BatchNorm's statistics on (refresh=...), found none")
    count, each = weights.shape[:2]
    flat, pair = weights.flatten(0, 1), torch.arange(count, device=points.device).repeat_interleave(each)
    step = max(1, _BLOCK // ((points.shape[1] + 1) * points.shape[2]))
    losses, errors = [], []
    for start in range(0, len(flat), step):
        of = pair[start : start + step]
        rows = combine(points[of], flat[start : start + step].to(points.device))
        if refresh is not None:
            rows = refreshed(architecture, rows, refresh, batch)
        found = evaluate(architecture, rows, x, y, None if anchor is None else anchor[of], loss)
        losses.append(found[0])
        errors.append(found[1])
    return torch.cat(losses).view(count, each), torch.cat(errors).view(count, each)

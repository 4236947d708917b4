"""Subset sums solved exactly, many at once: of m numbers, those whose sum is nearest to a target.

All 2^m sums cost 2^m m operations a problem, and their memory. Meeting in the middle (Horowitz and Sahni 1974)
sorts the 2^(m/2) sums of one half and looks each sum of the other half up in them: 2^(m/2) m / 2 comparisons.
"""

import torch
from torch import Tensor

# Sums of one half held at once, over all problems: 16 MB of float64.
_BLOCK = 1 << 21


def nearest(samples: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Which samples (..., m) to add, bool (..., m), and how far their sum is from the targets (...), |error|.

    Exact up to rounding, by meeting in the middle. 1 <= m <= 40.
    """
    m = samples.shape[-1]
    flat, wanted = samples.reshape(-1, m), targets.reshape(-1)
    block = max(1, _BLOCK >> ((m + 1) // 2))
    parts = [_met(*pair) for pair in zip(flat.split(block), wanted.split(block), strict=True)]
    chosen, errors = (torch.cat(part) for part in zip(*parts, strict=True))
    return chosen.reshape(samples.shape), errors.reshape(targets.shape)


def enumerated(samples: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The same by all 2^m sums."""
    table = _table(samples.shape[-1], samples)
    errors, place = (samples @ table.T - targets[..., None]).abs().min(-1)
    return table[place].bool(), errors


def _met(samples: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The same for samples (B, m) and targets (B,)."""
    half = samples.shape[1] // 2
    left, right = _table(half, samples), _table(samples.shape[1] - half, samples)
    sums, order = (samples[:, half:] @ right.T).sort(1)
    missing = targets[:, None] - samples[:, :half] @ left.T
    after = torch.searchsorted(sums, missing).clamp_(max=sums.shape[1] - 1)
    before = (after - 1).clamp_(min=0)
    gaps = torch.stack([(sums.gather(1, place) - missing).abs_() for place in (before, after)], dim=1)
    errors, best = gaps.flatten(1).min(1)
    mine = best % missing.shape[1]
    theirs = torch.stack([before, after], dim=1).flatten(1).gather(1, best[:, None])
    chosen = torch.cat([left[mine], right[order.gather(1, theirs)[:, 0]]], dim=1)
    return chosen.bool(), errors


def _table(m: int, like: Tensor) -> Tensor:
    """Every subset of m (2^m, m), as numbers 0 and 1."""
    return (torch.arange(2**m)[:, None] >> torch.arange(m) & 1).to(like)

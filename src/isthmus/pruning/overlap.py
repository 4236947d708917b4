"""How much of two masks is common, and how much would be by chance."""

from collections.abc import Mapping

import torch
from torch import Tensor

from isthmus.pruning.masks import Slots, counts


def iou(slots: Slots, a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union (R,) of the weights that masks a, b (R, P) keep, float64; NaN of none."""
    both, either = counts(slots, a & b), counts(slots, a | b)
    return sum(both.values()).double() / sum(either.values())


def layer_iou(slots: Slots, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """Layer -> intersection over union (R,) of what masks a, b (R, P) keep of it, float64; NaN of none."""
    both, either = counts(slots, a & b), counts(slots, a | b)
    return {name: both[name].double() / either[name] for name in slots}


def chance_iou(slots: Slots, a: Tensor, b: Tensor) -> Tensor:
    """The `iou` (R,) to expect were each layer of a, b (R, P) shuffled independently, float64; see `_expected`."""
    return _expected(_sizes(slots), counts(slots, a), counts(slots, b))


def layer_chance_iou(slots: Slots, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """Layer -> the `layer_iou` (R,) to expect were it shuffled in a and in b (R, P), float64."""
    sizes, in_a, in_b = _sizes(slots), counts(slots, a), counts(slots, b)
    return {name: _expected({name: sizes[name]}, in_a, in_b) for name in slots}


def _sizes(slots: Slots) -> dict[str, int]:
    return {name: slot.stop - slot.start for name, slot in slots.items()}


def _expected(sizes: Mapping[str, int], in_a: Mapping[str, Tensor], in_b: Mapping[str, Tensor]) -> Tensor:
    """Expectation (R,) of X / (K - X): X weights are common to both, K is the sum of what each keeps.

    X is a sum of independent hypergeometric numbers, one of each layer. To second order about its mean m, with
    variance v: m / (K - m) + v K / (K - m)^3, which is right to a part in K^2.
    """
    kept = torch.zeros_like(next(iter(in_a.values())), dtype=torch.float64)
    mean, variance = kept.clone(), kept.clone()
    for name, n in sizes.items():
        a, b = in_a[name].double(), in_b[name].double()
        kept += a + b
        mean += a * b / n
        variance += a * b * (n - a) * (n - b) / (n**2 * max(n - 1, 1))
    return mean / (kept - mean) + variance * kept / (kept - mean) ** 3

"""Covariance-informed weight matching (Ferbach et al. 2024): units are near when they act alike on A's inputs.

|W_A - P W_B|^2 in the metric of S, the second moment of what enters the layer, has the cross term W_A S W_B^T:
so this is naive matching with A's weights multiplied by S.
"""

from collections.abc import Mapping

from torch import Tensor

from isthmus.engine.layout import Layout
from isthmus.symmetry.matching import Matching, one_pass
from isthmus.symmetry.moments import CHANNELS, INPUT, Moments
from isthmus.symmetry.table import Axes


def covariance_matching(
    layout: Layout, axes: Axes, theta_a: Tensor, theta_b: Tensor, moments: Moments, bias: bool = False
) -> Matching:
    """Permutations of theta_b (K, P) towards theta_a (K, P), by the moments of A in A's own order of units.

    bias: count biases too, as weights on a constant input of 1 (the paper's figures ignore them). Layers are
    matched in one pass, since a layer's cost depends only on those before it. In float64: S is nearly rank one,
    and what tells units apart is a small part of it. Not symmetric: A to B and B to A are two matchings.

    Beyond the paper's perceptrons: of a convolution S is the moment of its channels, pooled over pixels, and the
    positions in the kernel count as equal and uncorrelated: sum_k W_A[:, :, k] S W_B[:, :, k]^T. Where several
    layers make a group's units (a residual stream), their costs add up, in two passes: the first without
    layers that read groups further on, the second with all of them. S is that of the group that is read, as the
    model reports it: an approximation where pooling lies between, and in the early blocks of a stream,
    which is reported at its end. Scales and shifts of normalisation do not count. ValueError for weights on more
    than two groups, or twice on one: attention reads a normalised stream that is not reported, a recurrent layer
    reads itself.
    """
    made = makers(layout, axes)
    biases = {_bias(name): group for name, (group, _) in made.items() if bias and _bias(name) in axes}
    groups = [group for group, _ in made.values()]
    weighed, theta_b = _weigh(layout, theta_a.double(), made, moments, biases), theta_b.double()

    def counted(name: str, axis: int) -> bool:
        return axis == 0 and (name in made or name in biases)

    def known(name: str, axis: int) -> bool:
        if not counted(name, axis) or name in biases:
            return counted(name, axis)
        group, before = made[name]
        return before == INPUT or groups.index(before) < groups.index(group)

    if all(known(name, 0) for name in made):
        return one_pass(layout, axes, weighed, theta_b, counted)
    first = one_pass(layout, axes, weighed, theta_b, known)
    return one_pass(layout, axes, weighed, theta_b, counted, first.perms)


def makers(layout: Layout, axes: Axes) -> dict[str, tuple[str, str]]:
    """Weight -> (the group whose units it makes, the group it reads or INPUT); ValueError as above."""
    made = {}
    for name, groups in axes.items():
        if layout.slots[name].role.kind != "weight":
            continue
        if any(groups[2:]) or (groups[0] is not None and groups[0] == groups[1]):
            wanted = "wanted weights that read one group or the input and make another"
            raise ValueError(f"covariance-informed matching: {wanted}, found {name!r} with {groups}")
        if groups[0] is not None:
            made[name] = groups[0], groups[1] or INPUT
    return made


def entering(moments: Moments, before: str, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Second moment (K, n, n) and mean (K, n) of what one position of a weight (K, out, n, ...) reads.

    ValueError where the moments are those of something else.
    """
    name = CHANNELS if before == INPUT and weight.ndim > 3 else before
    n = weight.shape[2]
    if name not in moments.second or moments.second[name].shape[-1] != n:
        found = f"of {moments.second[name].shape[-1]}" if name in moments.second else "none"
        raise ValueError(f"covariance-informed matching: wanted moments {name!r} of {n} units, found {found}")
    return moments.second[name], moments.mean.get(name)


def _bias(weight: str) -> str:
    """The name of the bias beside a weight."""
    return weight.removesuffix("weight") + "bias"


def times(weight: Tensor, second: Tensor) -> Tensor:
    """W S (K, out, n, ...) of weights (K, out, n, ...) and second moments (K, n, n), each position by itself."""
    channels_last = weight.movedim(2, -1)
    ones = (1,) * (weight.ndim - 3)
    return (channels_last @ second.reshape(len(second), *ones, *second.shape[1:])).movedim(-1, 2)


def _weigh(
    layout: Layout,
    theta: Tensor,
    made: Mapping[str, tuple[str, str]],
    moments: Moments,
    biases: Mapping[str, str],
) -> Tensor:
    """Rows with W S in place of each incoming weight W; with bias, W S + b m^T, and W m + b in place of b."""
    parts = layout.split(theta)
    weighed = dict(parts)
    for name, (_, before) in made.items():
        weight, (second, mean) = parts[name], entering(moments, before, parts[name])
        weighed[name] = times(weight, second)
        if _bias(name) in biases:
            own, ones = parts[_bias(name)], (1,) * (weight.ndim - 3)
            means = mean.reshape(len(mean), 1, -1, *ones)
            weighed[name] = weighed[name] + own.reshape(*own.shape, 1, *ones) * means
            weighed[_bias(name)] = (weight * means).flatten(2).sum(2) + own
    return layout.join(weighed)

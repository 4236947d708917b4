"""Approximate dimension of what a matching compares: how many directions carry the weights or activations."""

from torch import Tensor

from isthmus.engine.layout import Layout
from isthmus.symmetry.covariance import entering, makers, times
from isthmus.symmetry.moments import Moments
from isthmus.symmetry.table import Axes


def approximate_dimension(matrix: Tensor) -> Tensor:
    """tr(S)^2 / tr(S^2), (...), of symmetric S (..., n, n), i.e. (sum of eigenvalues)^2 / sum of their squares.

    Between 1 and n for a positive semi-definite S; NaN for zero. Blind to scale, sign and rotation.
    """
    trace = matrix.diagonal(dim1=-2, dim2=-1).sum(-1)
    return trace.square() / matrix.square().sum((-2, -1))


def dimensions(layout: Layout, axes: Axes, theta: Tensor, moments: Moments) -> dict[str, dict[str, Tensor]]:
    """Method -> group -> approximate dimension (K,) of the rows theta (K, P), float64 (Ferbach et al. 2024).

    naive: W^T W; informed: W S W^T with S the second moment of what enters the layer; activation: the second
    moment of the group itself. Where several layers make a group's units, or a kernel has several positions, the
    first two are sums of W W^T and W S W^T over these, as in covariance_matching, with the same ValueErrors.
    """
    parts = layout.split(theta)
    naive: dict[str, Tensor] = {}
    informed: dict[str, Tensor] = {}
    for name, (group, before) in makers(layout, axes).items():
        weight = parts[name].double()
        weighed = times(weight, entering(moments, before, weight)[0])
        # W W^T has the eigenvalues of W^T W, and is the smaller in a layer that narrows.
        for found, other in ((naive, weight), (informed, weighed)):
            found[group] = found.get(group, 0) + other.flatten(2) @ weight.flatten(2).mT
    matrices = {
        "naive": naive,
        "informed": informed,
        "activation": {group: moments.second[group] for group in naive},
    }
    return {
        method: {group: approximate_dimension(matrix) for group, matrix in of_groups.items()}
        for method, of_groups in matrices.items()
    }

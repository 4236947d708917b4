"""Approximate dimension of what a matching compares: how many directions carry the weights or activations."""

from torch import Tensor

from isthmus.engine.layout import Layout
from isthmus.symmetry.moments import INPUT, Moments
from isthmus.symmetry.table import Axes, incoming


def approximate_dimension(matrix: Tensor) -> Tensor:
    """tr(S)^2 / tr(S^2), (...), of symmetric S (..., n, n), i.e. (sum of eigenvalues)^2 / sum of their squares.

    Between 1 and n for a positive semi-definite S; NaN for zero. Blind to scale, sign and rotation.
    """
    trace = matrix.diagonal(dim1=-2, dim2=-1).sum(-1)
    return trace.square() / matrix.square().sum((-2, -1))


def dimensions(layout: Layout, axes: Axes, theta: Tensor, moments: Moments) -> dict[str, dict[str, Tensor]]:
    """Method -> group -> approximate dimension (K,) of the rows theta (K, P), float64 (Ferbach et al. 2024).

    naive: W^T W; informed: W S W^T with S the second moment of what enters the layer; activation: the second
    moment of the group itself.
    """
    found: dict[str, dict[str, Tensor]] = {"naive": {}, "informed": {}, "activation": {}}
    parts = layout.split(theta)
    for group, name in incoming(axes).items():
        weight = parts[name].double()
        # W W^T has the eigenvalues of W^T W, and is the smaller in a layer that narrows.
        found["naive"][group] = approximate_dimension(weight @ weight.mT)
        entering = moments.second[axes[name][1] or INPUT]
        found["informed"][group] = approximate_dimension(weight @ entering @ weight.mT)
        found["activation"][group] = approximate_dimension(moments.second[group])
    return found

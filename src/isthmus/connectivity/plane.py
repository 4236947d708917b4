"""The loss on the plane through three networks, drawn in distances between them.

A plane's point is a combination of the three networks whose coefficients sum to 1: the corners are the networks
themselves, exactly, and no basis vector as long as a row needs to be kept.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.connectivity.combinations import combine, on_combinations
from isthmus.engine.architecture import Architecture


@dataclass(frozen=True)
class Plane:
    """Planes through networks (K, 3, P), and where these lie on them: corners (K, 3, 2), float64.

    Axes are orthonormal: the first from network 1 towards network 2, the second towards network 3 from where it
    projects onto the first (Garipov et al. 2018, "Loss surfaces, mode connectivity, and fast ensembling of DNNs",
    on visualisation). Network 1 is the origin; a unit is one of Euclidean distance of trained parameters.
    """

    points: Tensor
    corners: Tensor

    def coefficients(self, coordinates: Tensor) -> Tensor:
        """Coefficients (K, M, 3) of the networks at coordinates (K, M, 2), float64; they sum to 1."""
        base, (along, height) = self.corners[:, 1, 0], self.corners[:, 2].T
        third = coordinates[..., 1] / height.unsqueeze(1)
        second = (coordinates[..., 0] - third * along.unsqueeze(1)) / base.unsqueeze(1)
        return torch.stack([1 - second - third, second, third], 2)

    def at(self, coordinates: Tensor) -> Tensor:
        """The networks (K, M, P) at coordinates (K, M, 2)."""
        weights = self.coefficients(coordinates)
        found = [combine(self.points, weights[:, m]) for m in range(weights.shape[1])]
        return torch.stack(found, 1)


def through(architecture: Architecture, theta_1: Tensor, theta_2: Tensor, theta_3: Tensor) -> Plane:
    """The planes through three networks each, rows (K, P).

    Raises ValueError where they lie on one line, up to the rounding of the rows.
    """
    points = torch.stack([theta_1, theta_2, theta_3], 1)
    parameters = points[..., : architecture.layout.trained].double()
    u, w = parameters[:, 1] - parameters[:, 0], parameters[:, 2] - parameters[:, 0]
    base = u.norm(dim=1)
    along = (u * w).sum(1) / base
    height = (w - (along / base).unsqueeze(1) * u).norm(dim=1)
    rounding = 4 * torch.finfo(points.dtype).eps * parameters.norm(dim=2).amax(1)
    # A comparison with NaN is false: equal networks 1 and 2, and rows that are not finite, are caught as well.
    flat = (~((base > rounding) & (height > rounding))).nonzero().flatten().tolist()
    if flat:
        raise ValueError(f"plane: wanted three networks that span one, found triples on a line: {flat}")
    zero = torch.zeros_like(base)
    corners = torch.stack([zero, zero, base, zero, along, height], 1).view(-1, 3, 2)
    return Plane(points, corners)


@dataclass(frozen=True)
class Surface:
    """Mean losses (K, V, U) in nats and 0-1 errors (K, V, U) at u (K, U) and v (K, V), all float64.

    losses[k, i, j] is at (u[k, j], v[k, i]), as matplotlib's contour takes it.
    """

    losses: Tensor
    errors: Tensor
    u: Tensor
    v: Tensor


def on_plane(
    architecture: Architecture,
    plane: Plane,
    x: Tensor,
    y: Tensor,
    points: int = 21,
    margin: float = 0.2,
    refresh: Tensor | None = None,
    batch: int = 100,
    anchor: Tensor | None = None,
    loss: str = "cross_entropy",
) -> Surface:
    """The networks on a grid of points x points, evaluated on inputs x with labels y.

    The grid is the smallest rectangle around the corners, each side longer by `margin` of its length at both ends.
    refresh, batch, anchor: see `on_combinations`.
    """
    low, high = plane.corners.amin(1), plane.corners.amax(1)
    start, stop = torch.lerp(low, high, -margin).unsqueeze(1), torch.lerp(low, high, 1 + margin).unsqueeze(1)
    fractions = torch.linspace(0, 1, points, dtype=torch.float64, device=low.device).view(1, -1, 1)
    u, v = torch.lerp(start, stop, fractions).unbind(2)
    grid = torch.stack([u.unsqueeze(1).expand(-1, points, -1), v.unsqueeze(2).expand(-1, -1, points)], 3)
    weights = plane.coefficients(grid.flatten(1, 2))
    found = on_combinations(architecture, plane.points, weights, x, y, refresh, batch, anchor, loss)
    losses, errors = (values.view(len(u), points, points) for values in found)
    return Surface(losses, errors, u, v)

"""Curves trained between two networks: Bezier curves and polygonal chains whose ends stay and whose bends learn.

Garipov et al. (2018, "Loss surfaces, mode connectivity, and fast ensembling of DNNs") minimise the expected loss
over a uniform place alpha on the curve; Draxler et al. (2018) find the same low paths by bending a chain. A point
of either kind is linear in the control points, so a bend's gradient is its coefficient times the point's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
import torch
from torch import Tensor

from isthmus.connectivity.combinations import combine, on_combinations
from isthmus.engine.architecture import Architecture
from isthmus.engine.batches import Batches
from isthmus.engine.losses import per_example
from isthmus.engine.recipe import Network
from isthmus.engine.streams import stream
from isthmus.optimizers import sgd
from isthmus.symmetry.table import permute

KINDS = ("bezier", "polygon")


@dataclass(frozen=True)
class Curve:
    """Curves of one kind, `bezier` or `polygon`, with control points (K, n + 2, P): theta_a, n bends, theta_b."""

    kind: str
    points: Tensor

    @property
    def bends(self) -> Tensor:
        """The free control points (K, n, P)."""
        return self.points[:, 1:-1]

    def coefficients(self, alphas: Tensor) -> Tensor:
        """Coefficients (..., n + 2) of the control points at alphas (...) in [0, 1], float64; they sum to 1."""
        return coefficients(self.kind, alphas, self.points.shape[1] - 2)

    def at(self, alphas: Tensor) -> Tensor:
        """The networks (K, P) at alphas (K,), one on each curve; the ends, exactly, at 0 and at 1."""
        return combine(self.points, self.coefficients(alphas).to(self.points.device))


def coefficients(kind: str, alphas: Tensor, bends: int) -> Tensor:
    """Coefficients (..., bends + 2) of a curve's control points at alphas (...) in [0, 1], float64.

    bezier: Bernstein's polynomials of degree bends + 1. polygon: a hat over each point, which are evenly spaced in
    alpha. With one bend they are Garipov et al.'s (2018, "Example parametrizations"). ValueError for another kind.
    """
    alphas, degree = alphas.double().unsqueeze(-1), bends + 1
    places = torch.arange(degree + 1, dtype=torch.float64, device=alphas.device)
    if kind == "polygon":
        return (1 - (alphas * degree - places).abs()).clamp(min=0)
    if kind != "bezier":
        raise ValueError(f"curve: wanted one of {', '.join(KINDS)}, found {kind!r}")
    binomials = torch.tensor([float(comb(degree, i)) for i in range(degree + 1)], device=alphas.device).double()
    return binomials * alphas**places * (1 - alphas) ** (degree - places)


def straight(kind: str, theta_a: Tensor, theta_b: Tensor, bends: int = 1) -> Curve:
    """The straight line from theta_a to theta_b (K, P), bent nowhere: a curve whose bends are evenly spaced."""
    between = torch.linspace(0, 1, bends + 2, dtype=torch.float64)[1:-1].tolist()
    points = [theta_a, *(torch.lerp(theta_a, theta_b, place) for place in between), theta_b]
    return Curve(kind, torch.stack(points, 1))


def bend_gradient(
    architecture: Architecture,
    curve: Curve,
    alphas: Tensor,
    x: Tensor,
    y: Tensor,
    anchor: Tensor | None = None,
    loss: str = "cross_entropy",
) -> tuple[Tensor, Tensor]:
    """Mean loss (K,) of curve k at alphas[k], and its gradient (K, n, P) for the bends.

    Inputs x and labels y are shared, (N, *shape) and (N,), or each curve's own, (K, N, *shape) and (K, N).
    BatchNorm takes the batch's statistics, as in training.
    """
    step = architecture.rows_at_once(y.shape[-1])
    theta, losses, gradients = curve.at(alphas).detach(), [], []
    for start in range(0, len(theta), step):
        block = slice(start, start + step)
        rows = theta[block].requires_grad_()
        own_x, own_y = (x, y) if y.ndim == 1 else (x[block], y[block])
        fixed = None if anchor is None else anchor[block]
        out = architecture.logits(rows, own_x, fixed, training=True)
        found = per_example(loss, out, own_y).mean(1)
        # A network's loss depends on its own row only, so the gradient of the sum holds everyone's.
        gradients.append(torch.autograd.grad(found.sum(), rows)[0])
        losses.append(found.detach())
    inner = curve.coefficients(alphas)[:, 1:-1].to(theta).unsqueeze(2)
    return torch.cat(losses), inner * torch.cat(gradients).unsqueeze(1)


@dataclass(frozen=True)
class Trained:
    """The curves, and the losses (steps, K) of each update's batch at its alpha."""

    curve: Curve
    losses: Tensor


def train_curve(
    architecture: Architecture,
    theta_a: Tensor,
    theta_b: Tensor,
    x: Tensor,
    y: Tensor,
    seeds: Sequence[int],
    kind: str = "bezier",
    bends: int = 1,
    steps: int = 1000,
    batch: int = 100,
    lr: float = 0.05,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    perms: Mapping[str, Tensor] | None = None,
    anchor: Tensor | None = None,
    loss: str = "cross_entropy",
) -> Trained:
    """Curves from theta_a to theta_b (K, P), trained on inputs x (N, *shape) with labels y.

    Each update takes one alpha and one batch for each pair, which depend on its seed in `seeds` (K,) alone, and one
    step of SGD on the bends (Garipov et al. 2018, "Connection procedure"); the ends never move. weight_decay is the
    bends'. perms: permutes theta_b first. steps = 0 leaves the straight line. ValueError for a batch that the
    data do not fill, and where there is not a seed for each pair.
    """
    if not 0 < batch <= len(x):
        raise ValueError(f"curve: wanted a batch of 1 to {len(x)} examples, found {batch}")
    if len(seeds) != len(theta_a):
        raise ValueError(f"curve: wanted a seed for each of {len(theta_a)} pairs, found {len(seeds)}")
    if perms is not None:
        theta_b = permute(architecture.layout, architecture.axes, perms, theta_b)
    curve = straight(kind, theta_a, theta_b, bends)
    trained = slice(architecture.layout.trained)
    free = curve.bends[..., trained]
    settings = {"momentum": momentum, "weight_decay": weight_decay}
    memory = sgd.init(free, settings)
    rate = torch.full((1, 1, 1), lr, device=free.device)
    batches = Batches([Network(seed, lr) for seed in seeds], len(x), batch)
    alphas = torch.from_numpy(np.stack([stream(seed, "curve").random(steps) for seed in seeds]))
    history = torch.empty(steps, len(theta_a), device=theta_a.device)
    for step in range(steps):
        chosen = batches.at(step).to(x.device)
        found, gradient = bend_gradient(architecture, curve, alphas[:, step], x[chosen], y[chosen], anchor, loss)
        sgd.update(free, gradient[..., trained], memory, rate, step, settings)
        history[step] = found
    return Trained(curve, history)


@dataclass(frozen=True)
class Path:
    """Mean losses (K, T) in nats, 0-1 errors (K, T) and lengths (K, T), float64, at alphas (T,); ends included.

    lengths: how far the curve has come, in the Euclidean distance of trained parameters, theta_a being 0.
    """

    losses: Tensor
    errors: Tensor
    lengths: Tensor
    alphas: Tensor


def on_curve(
    architecture: Architecture,
    curve: Curve,
    x: Tensor,
    y: Tensor,
    points: int = 25,
    refresh: Tensor | None = None,
    batch: int = 100,
    anchor: Tensor | None = None,
    loss: str = "cross_entropy",
) -> Path:
    """The networks along the curves at evenly spaced alphas, evaluated on inputs x with labels y.

    refresh, batch, anchor: see `on_combinations`; with BatchNorm the ends are refreshed like all others.
    """
    alphas = torch.linspace(0, 1, points, dtype=torch.float64, device=curve.points.device)
    weights = curve.coefficients(alphas).expand(len(curve.points), -1, -1)
    found = on_combinations(architecture, curve.points, weights, x, y, refresh, batch, anchor, loss)
    parameters = curve.points[..., : architecture.layout.trained]
    return Path(*found, arc_lengths(Curve(curve.kind, parameters), alphas), alphas)


def arc_lengths(curve: Curve, alphas: Tensor) -> Tensor:
    """Lengths (K, T) of the curves from alpha = 0 to ascending alphas (T,) of which the first is 0, float64.

    Exact for polygons. A Bezier curve's speed |d theta / d alpha| is integrated by Gauss and Legendre's rule with
    16 nodes between one alpha and the next.
    """
    sides = torch.diff(curve.points.double(), dim=1)
    gram, degree = sides @ sides.mT, sides.shape[1]
    if curve.kind == "polygon":
        passed = (alphas.unsqueeze(1) * degree - torch.arange(degree, device=alphas.device)).clamp(0, 1)
        return gram.diagonal(dim1=1, dim2=2).sqrt() @ passed.T
    nodes, weights = (torch.from_numpy(part).to(alphas) for part in np.polynomial.legendre.leggauss(16))
    half = torch.diff(alphas).unsqueeze(1) / 2
    places = alphas[:-1].unsqueeze(1) + half * (1 + nodes)
    # d theta / d alpha is a Bezier curve of one degree less, whose control points are the sides times the degree.
    basis = coefficients("bezier", places, degree - 2)
    speed = degree * torch.einsum("tqi,kij,tqj->ktq", basis, gram, basis).clamp(min=0).sqrt()
    return torch.nn.functional.pad((speed * weights * half).sum(2).cumsum(1), (1, 0))

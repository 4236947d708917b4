"""REPAIR (Jordan et al. 2022): give the units of an interpolated network the statistics of its end points.

Each linear layer's outputs get a mean and a standard deviation on the line between those of A and B, by a gain and
a shift folded into its weights and bias, from the first layer on. The head is left alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from isthmus.connectivity.barrier import Line
from isthmus.engine.architecture import Architecture
from isthmus.engine.evaluate import evaluate
from isthmus.engine.layout import Layout
from isthmus.engine.statistics import refreshed
from isthmus.models.images import Conv2d
from isthmus.models.roles import Role, parameter, role_of
from isthmus.symmetry.preactivations import Layer, walk

# Name of a layer's weight -> mean and standard deviation (K, n), biased, float64, of what each unit puts out.
Statistics = dict[str, tuple[Tensor, Tensor]]

# BatchNorm's, under both roots, so that equal statistics give a gain of exactly 1.
_EPSILON = 1e-5

# Scalars of a layer's output that are held in float64 at once: 32 MB.
_BLOCK = 1 << 22


def goal(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """The statistic wanted at alpha. Standard deviations are interpolated, not variances."""
    return torch.lerp(a, b, alpha)


def gain(wanted_sd: Tensor, found_sd: Tensor) -> Tensor:
    """The factor that takes one standard deviation to the other, up to BatchNorm's epsilon."""
    return (wanted_sd.square() + _EPSILON).sqrt() / (found_sd.square() + _EPSILON).sqrt()


def repair(
    architecture: Architecture, theta_a: Tensor, theta_b: Tensor, alpha: float, x: Tensor, batch: int = 500
) -> Tensor:
    """Rows (K, P): the networks at alpha between theta_a and the already permuted theta_b, repaired on inputs x.

    Every layer is measured over all of x (N, *shape), each pixel, token or time a sample, behind layers that are
    corrected, as in one pass of a network with BatchNorm in train mode. At alpha = 0 the result is theta_a, at 1
    theta_b, bit for bit.

    With BatchNorm the statistics are `refreshed` by batches of x of this size, and nothing else is done (section
    3.1): the ends are theta_a and theta_b where theirs come from the same pass. Of a recurrent layer, which the
    paper does not treat, only what it makes of its inputs is repaired: no gain sets the statistics of a loop.

    Raises ValueError for convolutions that have no bias to shift (see `with_biases`) and for layers out of reach
    (see `preactivations.walk`).
    """
    return next(repaired(architecture, theta_a, theta_b, [alpha], x, batch))


@torch.no_grad()
def repaired(
    architecture: Architecture,
    theta_a: Tensor,
    theta_b: Tensor,
    alphas: Iterable[float],
    x: Tensor,
    batch: int = 500,
) -> Iterator[Tensor]:
    """The rows of `repair` at each alpha, with the end points measured but once."""
    if architecture.layout.trained < architecture.layout.size:
        for alpha in alphas:
            yield refreshed(architecture, torch.lerp(theta_a, theta_b, alpha), x, min(batch, len(x)))
        return
    of_a, of_b = (unit_statistics(architecture, theta, x) for theta in (theta_a, theta_b))
    for alpha in alphas:
        theta = torch.lerp(theta_a, theta_b, alpha)
        goals = {name: [goal(a, b, alpha) for a, b in zip(of_a[name], of_b[name], strict=True)] for name in of_a}

        def mend(rows: slice, layer: Layer, goals: dict[str, list[Tensor]] = goals) -> None:
            (mean, sd), (wanted_mean, wanted_sd) = _moments(layer.out), goals[layer.name]
            factor = gain(wanted_sd[rows], sd)
            layer.correct(factor, wanted_mean[rows] - factor * mean)

        walk(architecture, theta, x, mend)
        yield theta


def repaired_line(
    architecture: Architecture,
    theta_a: Tensor,
    theta_b: Tensor,
    seen: Tensor,
    x: Tensor,
    y: Tensor,
    points: int = 25,
    batch: int = 500,
    loss: str = "cross_entropy",
) -> Line:
    """Losses and errors on x with labels y of the networks on the line of rows (K, P), repaired on inputs `seen`.

    As `connectivity.barrier.on_line` of `repair`; convolutions get the biases that they lack.
    """
    architecture, theta_a, theta_b = with_biases(architecture, theta_a, theta_b)
    alphas = torch.linspace(0, 1, points, dtype=torch.float64, device=theta_a.device)
    mended = repaired(architecture, theta_a, theta_b, alphas.tolist(), seen, batch)
    losses, errors = zip(*(evaluate(architecture, theta, x, y, loss=loss) for theta in mended), strict=True)
    return Line(torch.stack(losses, dim=1), torch.stack(errors, dim=1), alphas)


def unit_statistics(architecture: Architecture, theta: Tensor, x: Tensor) -> Statistics:
    """Name of a layer's weight -> mean and standard deviation (K, n) of what its units put out, in float64.

    Of every linear layer of the rows (K, P) but the head, in their order, over inputs x (N, *shape) and all places.
    """
    found: dict[str, list[tuple[Tensor, Tensor]]] = {}
    walk(architecture, theta, x, lambda rows, layer: found.setdefault(layer.name, []).append(_moments(layer.out)))
    return {name: tuple(map(torch.cat, zip(*blocks, strict=True))) for name, blocks in found.items()}


def variance_ratio(
    architecture: Architecture, theta_a: Tensor, theta_b: Tensor, theta: Tensor, x: Tensor
) -> dict[str, Tensor]:
    """Name of a layer's weight -> variance in theta over the mean of those in theta_a and theta_b, rows (K, P).

    Each (K,), summed over the layer's units: below 1 where variance collapses (Jordan et al. 2022, section 3).
    """
    between, *ends = (unit_statistics(architecture, rows, x) for rows in (theta, theta_a, theta_b))
    sums = {name: [of[name][1].square().sum(1) for of in (between, *ends)] for name in between}
    return {name: middle / ((a + b) / 2) for name, (middle, a, b) in sums.items()}


def with_biases(architecture: Architecture, *thetas: Tensor) -> tuple[Architecture, *tuple[Tensor, ...]]:
    """The architecture with a bias in every convolution, and the same networks (K, P') in it, new biases 0.

    In front of a layer normalisation a convolution is trained without one, and REPAIR's shift cannot be said by its
    weight: the published networks too gain an affine layer there. With BatchNorm, or where no bias is missing, all
    comes back as it is.
    """
    home, normed = architecture.layout, architecture.layout.trained < architecture.layout.size
    if normed or not any(_without_bias(part) for part in architecture.module.modules()):
        return architecture, *thetas
    module = architecture.family.build(architecture.settings, architecture.shape, architecture.classes)
    for part in filter(_without_bias, module.modules()):
        part.bias = parameter(Role("bias", role_of(part.weight).fan_in), len(part.weight))
    layout = Layout.of(module)
    wider = replace(architecture, module=module, layout=layout, axes=architecture.family.symmetry(module))
    return wider, *(layout.join(_with_zeros(layout, home.split(theta), theta)) for theta in thetas)


def _without_bias(part: nn.Module) -> bool:
    return isinstance(part, Conv2d) and part.bias is None


def _with_zeros(layout: Layout, parts: dict[str, Tensor], theta: Tensor) -> dict[str, Tensor]:
    """The parts of rows (K, P), and zeros for what the layout has beyond them."""
    return {name: theta.new_zeros(len(theta), *slot.shape) for name, slot in layout.slots.items()} | parts


def _moments(out: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (R, n), biased, of outputs (R, S, n), summed in float64."""
    total = square = torch.zeros((), dtype=torch.float64, device=out.device)
    for piece in out.split(max(1, _BLOCK // (len(out) * out.shape[2])), dim=1):
        total, square = total + piece.double().sum(1), square + piece.double().square().sum(1)
    mean = total / out.shape[1]
    return mean, (square / out.shape[1] - mean.square()).clamp(min=0).sqrt()

"""The quantities in the theorem: norm of a basis, width of the random layers, error bound, counting bound."""

from math import log, log2

import torch
from torch import Tensor

from isthmus.equivariant.bases import Matrices

# Corners of the cube of coefficients are enumerated up to this size of a basis.
_CORNERS = 12


def basis_norm(basis: Matrices) -> float:
    """|||B|||: the largest operator norm of sum_k beta_k b_k over |beta_k| <= 1.

    A norm is convex, so it is largest at a corner of the cube. ValueError beyond 12 elements.
    """
    if len(basis) > _CORNERS:
        raise ValueError(f"wanted a basis of at most {_CORNERS} elements, found {len(basis)}")
    corners = 2.0 * (torch.arange(2 ** len(basis))[:, None] >> torch.arange(len(basis)) & 1) - 1
    maps = torch.einsum("ck,kij->cij", corners.double(), basis.elements)
    return float(torch.linalg.matrix_norm(maps, 2).max())


def log_term(inputs: int, outputs: int, basis: float, layers: int, precision: float) -> float:
    """ln(n n' max(|B|, |||B|||) l / min(eps, delta)): the theorem's width is C n times this.

    basis: max(|B|, |||B|||). precision: min(eps, delta). The constant C is not known.
    """
    return log(inputs * outputs * basis * layers / precision)


def output_bound(error: float, inputs: int, outputs: int, norm: float) -> float:
    """How far a layer's output can be off on the unit ball when no coefficient of either sign is off by more."""
    return 2 * error * inputs * outputs * norm


def least_parameters(coefficients: int, precision: float) -> float:
    """The counting bound: parameters of a network whose 2^parameters subnetworks reach half of all targets.

    2^parameters >= (1/2) (1 / (2 eps))^coefficients.
    """
    return coefficients * log2(1 / (2 * precision)) - 1


def largest_output_error(basis: Matrices, plus: Tensor, minus: Tensor, rays: Tensor) -> float:
    """The largest |E+ relu(x) - E- relu(-x)| found on the unit ball, E the maps of errors (q, p, K) of each sign.

    Tried are rays (N, p d_in), both constant directions, and both maps' leading right singular vector, as it is and
    with its entries made positive and negative: a lower bound of the true one.
    """
    maps = [basis.expand(errors[None])[0] for errors in (plus, minus)]
    leading = torch.stack([torch.linalg.svd(one)[2][0] for one in maps])
    constant = torch.ones(1, leading.shape[1], dtype=leading.dtype)
    tried = torch.cat([rays, constant, -constant, leading, leading.abs(), -leading.abs()])
    tried = tried / tried.norm(dim=1, keepdim=True)
    return float((tried.relu() @ maps[0].T - (-tried).relu() @ maps[1].T).norm(dim=1).max())

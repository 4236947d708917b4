"""Angular distance of representations by centred kernel alignment (CKA), which is blind to rotation and scale.

The forms differ in how the examples' Gram matrix is centred and in what becomes of its diagonal. None needs the
matrix: with centred features x, y, sum_ij <x_i, x_j> <y_i, y_j> is |X^T Y|^2, and the rows of a Gram matrix sum
to 0, so without its diagonal they sum to -|x_i|^2.
"""

import torch
from torch import Tensor

FORMS = ("unbiased", "paper", "biased")


def angular_cka(x: Tensor, y: Tensor, form: str = "unbiased") -> Tensor:
    """Angle (K,) in radians between the Gram matrices of features x (K, m, d) and y (K, m, e), in float64.

    form: `unbiased`, U-centred (Székely and Rizzo 2014), whose inner product is the unbiased estimate of HSIC
    (Song et al. 2012, eq. 5), for m > 3; `paper`, centred, then the diagonal set to 0 (Altıntaş et al. 2025,
    code), biased for few examples; `biased`, centred and no more. 0 between equal features, bit for bit; angles
    below 1e-7 are rounding. Only `biased` never exceeds pi / 2. NaN where a representation is constant.
    """
    if form not in FORMS:
        raise ValueError(f"CKA: wanted one of {', '.join(FORMS)}, found {form!r}")
    if form == "unbiased" and x.shape[1] <= 3:
        raise ValueError(f"unbiased CKA: wanted more than 3 examples, found {x.shape[1]}")
    x, y = (features.double() - features.double().mean(1, keepdim=True) for features in (x, y))
    # sqrt(a * a) is a exactly, which a product of two roots is not.
    scale = (_inner(x, x, form) * _inner(y, y, form)).sqrt()
    return torch.arccos((_inner(x, y, form) / scale).clamp(-1, 1))


def _inner(x: Tensor, y: Tensor, form: str) -> Tensor:
    """Inner product (K,) of the Gram matrices of centred features x (K, m, d) and y (K, m, e)."""
    whole = (x.mT @ y).square().sum((1, 2))
    if form == "biased":
        return whole
    m, norms_x, norms_y = x.shape[1], x.square().sum(2), y.square().sum(2)
    diagonal = (norms_x * norms_y).sum(1)
    if form == "paper":
        return whole - diagonal
    means = norms_x.sum(1) * norms_y.sum(1) / ((m - 1) * (m - 2))
    return whole - diagonal - 2 * diagonal / (m - 2) + means

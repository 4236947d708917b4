"""Bases of convolutions on a square lattice that commute with its shifts and quarter turns (the group p4).

Images are trivial fields, one number at each place; regular fields have four, one for each orientation
(Cohen and Welling 2016). The lattice closes on itself, so that shifts are exact at its borders too.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Kernels:
    """elements: float64 (K, g_out, g_in, h, w), odd h and w; linearly independent."""

    elements: Tensor

    def __len__(self) -> int:
        return len(self.elements)

    @cached_property
    def identity(self) -> int:
        """The place of the identity map among the elements; ValueError where it is none of them."""
        _, outputs, inputs, height, width = self.elements.shape
        wanted = torch.zeros(outputs, inputs, height, width, dtype=torch.float64)
        wanted[:, :, height // 2, width // 2] = torch.eye(outputs, inputs, dtype=torch.float64)
        found = [k for k, b in enumerate(self.elements) if outputs == inputs and torch.equal(b, wanted)]
        if not found:
            raise ValueError("wanted a basis with the identity as an element, found none")
        return found[0]

    def expand(self, coefficients: Tensor) -> Tensor:
        """Kernels (R, q g_out, p g_in, h, w) of coefficients (R, q, p, K)."""
        weights = torch.einsum("rqpk,kabhw->rqapbhw", coefficients, self.elements.to(coefficients))
        return weights.flatten(3, 4).flatten(1, 2)

    def act(self, weights: Tensor, x: Tensor) -> Tensor:
        """Fields (R, N, q, g_out, H, W) of kernels (R, q g_out, p g_in, h, w) on fields (R, N, p, g_in, H, W)."""
        high, wide = weights.shape[3] // 2, weights.shape[4] // 2
        padded = [functional.pad(row.flatten(1, 2), (wide, wide, high, high), mode="circular") for row in x]
        out = torch.stack([functional.conv2d(*one) for one in zip(padded, weights, strict=True)])
        return out.unflatten(2, (-1, self.elements.shape[1]))


def shifts(size: int = 3) -> Kernels:
    """Images to images, shifts alone: every offset of a kernel, size^2 elements."""
    return Kernels(_offsets(size)[:, None, None])


def turned_images(size: int = 3) -> Kernels:
    """Images to images, shifts and turns: kernels that a quarter turn leaves as they are, 3 elements of 3x3."""
    orbits = {}
    for offset in _offsets(size):
        orbit = torch.stack([torch.rot90(offset, k) for k in range(4)]).amax(0)
        orbits[tuple(orbit.flatten().tolist())] = orbit
    return Kernels(torch.stack(list(orbits.values()))[:, None, None])


def lifting(size: int = 3) -> Kernels:
    """Images to regular fields: each offset, turned once more for each orientation; 9 elements of 3x3."""
    turned = [torch.stack([torch.rot90(offset, a) for a in range(4)]) for offset in _offsets(size)]
    return Kernels(torch.stack(turned)[:, :, None])


def regular(size: int = 3) -> Kernels:
    """Regular fields to regular fields: an offset and a change of orientation; 36 elements of 3x3."""
    found = []
    for change in range(4):
        for offset in _offsets(size):
            element = torch.zeros(4, 4, size, size, dtype=torch.float64)
            for a in range(4):
                element[a, (a + change) % 4] = torch.rot90(offset, a)
            found.append(element)
    return Kernels(torch.stack(found))


def turn(x: Tensor) -> Tensor:
    """A field (..., g, H, W), g = 1 or 4, turned by a quarter: places move, and so do orientations."""
    return torch.rot90(x, 1, (-2, -1)).roll(1, -3)


def shift(x: Tensor, down: int = 1, right: int = 2) -> Tensor:
    """A field (..., H, W) shifted on the closed lattice."""
    return x.roll((down, right), (-2, -1))


def _offsets(size: int) -> Tensor:
    """Kernels (size^2, size, size) with a single 1."""
    return torch.eye(size * size, dtype=torch.float64).reshape(-1, size, size)

"""Scalars that training leaves as they begin: pruned ones, which are zero, and frozen ones.

Kept as bits. One pass of "and" over the rows clears what is held, whatever has become of it (-0.0, infinity, NaN);
an "or" sets what it was. A pass costs as much as a copy; by a mask of bools it costs forty times that on the CPU.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from isthmus.engine.layout import Layout
from isthmus.errors import UserError


@dataclass(frozen=True)
class Held:
    """Of R rows: free (R, trained columns), int32, all ones where a scalar is trained and zero where it is held;
    fixed, the same shape: the bits of what is held, or None where that is zero everywhere.
    """

    free: Tensor
    fixed: Tensor | None

    @classmethod
    def of(cls, layout: Layout, theta: Tensor, frozen: Sequence[str], mask: Tensor | None) -> "Held | None":
        """What is held of rows theta (R, P) as they begin, or None where all are trained.

        frozen: patterns of names of parameters. mask: bool (R, P), False where a scalar is pruned. UserError for a
        pattern that no name fits.
        """
        if mask is None and not frozen:
            return None
        free = torch.ones_like(theta, dtype=torch.bool) if mask is None else mask.to(theta.device, copy=True)
        for pattern in frozen:
            slots = [slot for name, slot in layout.parameters.items() if fnmatchcase(name, pattern)]
            if not slots:
                names = ", ".join(layout.parameters)
                raise UserError(f"study.yaml, frozen: wanted names among {names}, found {pattern!r}")
            for slot in slots:
                free[:, slot.start : slot.stop] = False
        # -1 has all 32 bits.
        bits = -free[:, : layout.trained].to(torch.int32)
        if not frozen:
            return cls(bits, None)
        begins = theta if mask is None else theta * mask.to(theta.device)
        return cls(bits, _bits(begins[:, : layout.trained]) & ~bits)

    def rows(self, rows: slice) -> "Held":
        """The same of these rows."""
        return Held(self.free[rows], None if self.fixed is None else self.fixed[rows])

    def taken(self, take: Callable[[Tensor], Tensor]) -> "Held":
        """The same of columns that are taken of these."""
        return Held(take(self.free), None if self.fixed is None else take(self.fixed))

    def clear(self, gradient: Tensor) -> None:
        """Zero, in place, what is held of gradients (R, trained columns)."""
        _bits(gradient).bitwise_and_(self.free)

    def restore(self, theta: Tensor) -> None:
        """Set, in place, what is held of rows (R, trained columns) to what it was."""
        self.clear(theta)
        if self.fixed is not None:
            _bits(theta).bitwise_or_(self.fixed)


def _bits(values: Tensor) -> Tensor:
    """The same memory, read as integers."""
    return values.view(torch.int32)

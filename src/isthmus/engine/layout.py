"""Where each parameter lies in a network's row."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Slot:
    """The columns start:stop of a row hold one parameter of this shape."""

    start: int
    stop: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """Parameter name -> slot, in the order of the module; `size` is P, the length of a row."""

    slots: Mapping[str, Slot]
    size: int

    @classmethod
    def of(cls, module: nn.Module) -> "Layout":
        """The layout of a module's parameters."""
        slots, start = {}, 0
        for name, parameter in module.named_parameters():
            shape = tuple(parameter.shape)
            slots[name] = Slot(start, start + prod(shape), shape)
            start += prod(shape)
        return cls(slots, start)

    def split(self, theta: Tensor) -> dict[str, Tensor]:
        """Views of rows (..., P) as parameters: name -> (..., *shape)."""
        lead = theta.shape[:-1]
        # One split, not a slice for each: its gradient is one concatenation, a slice's is a whole row of zeros.
        parts = theta.split([slot.stop - slot.start for slot in self.slots.values()], dim=-1)
        return {
            name: part.reshape(*lead, *slot.shape)
            for (name, slot), part in zip(self.slots.items(), parts, strict=True)
        }

    def join(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Rows (..., P) from parameters name -> (..., *shape); the inverse of `split`."""
        first = next(iter(self.slots))
        lead = parameters[first].shape[: parameters[first].ndim - len(self.slots[first].shape)]
        return torch.cat([parameters[name].reshape(*lead, -1) for name in self.slots], dim=-1)

    def describe(self) -> dict[str, list[int]]:
        """Name -> [start, stop, *shape]: what a file of rows says of itself."""
        return {name: [slot.start, slot.stop, *slot.shape] for name, slot in self.slots.items()}

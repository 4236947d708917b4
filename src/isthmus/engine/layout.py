"""Where each parameter lies in a network's row."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from isthmus.models.roles import Role, role_of, state


@dataclass(frozen=True)
class Slot:
    """The columns start:stop of a row hold one parameter of this shape, which plays this role in its layer."""

    start: int
    stop: int
    shape: tuple[int, ...]
    role: Role


@dataclass(frozen=True)
class Layout:
    """Name -> slot: the module's parameters in its order, then its statistics (BatchNorm's means and variances).

    size: P, the length of a row. trained: how many of its columns, the first ones, are parameters.
    """

    slots: Mapping[str, Slot]
    size: int
    trained: int

    @classmethod
    def of(cls, module: nn.Module) -> "Layout":
        """The layout of a module's parameters and of the buffers that belong to its state."""
        slots, start = {}, 0
        for name, value in state(module).items():
            shape = tuple(value.shape)
            slots[name] = Slot(start, start + prod(shape), shape, role_of(value))
            start += prod(shape)
        return cls(slots, start, sum(value.numel() for value in module.parameters()))

    @property
    def parameters(self) -> dict[str, Slot]:
        """The slots of what is trained."""
        return {name: slot for name, slot in self.slots.items() if slot.stop <= self.trained}

    def split(self, theta: Tensor) -> dict[str, Tensor]:
        """Views of rows (..., P), or of their trained columns alone, as parameters: name -> (..., *shape)."""
        lead, size = theta.shape[:-1], theta.shape[-1]
        slots = {name: slot for name, slot in self.slots.items() if slot.stop <= size}
        # One split, not a slice for each: its gradient is one concatenation, a slice's is a whole row of zeros.
        parts = theta.split([slot.stop - slot.start for slot in slots.values()], dim=-1)
        return {
            name: part.reshape(*lead, *slot.shape) for (name, slot), part in zip(slots.items(), parts, strict=True)
        }

    def join(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Rows (..., P) from parameters name -> (..., *shape); the inverse of `split`."""
        first = next(iter(self.slots))
        lead = parameters[first].shape[: parameters[first].ndim - len(self.slots[first].shape)]
        return torch.cat([parameters[name].reshape(*lead, -1) for name in self.slots], dim=-1)

    def describe(self) -> dict[str, list[int]]:
        """Name -> [start, stop, *shape]: what a file of rows says of itself."""
        return {name: [slot.start, slot.stop, *slot.shape] for name, slot in self.slots.items()}

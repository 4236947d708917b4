"""Pairs of networks, of which A stays and B's units are put in another order, and the data that both were trained
on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.symmetry import table
from isthmus.symmetry.moments import Moments, second_moments
from isthmus.symmetry.table import Perms


@dataclass(frozen=True)
class Pairs:
    """Networks a and b (K, P), the training inputs x (N, *shape) and labels y, and a seed for each pair."""

    architecture: Architecture
    a: Tensor
    b: Tensor
    x: Tensor
    y: Tensor
    seeds: Sequence[int]

    @property
    def sizes(self) -> dict[str, int]:
        """Group -> how many units it has."""
        return table.group_sizes(self.architecture.layout, self.architecture.axes)

    def permuted(self, perms: Mapping[str, Tensor]) -> Tensor:
        """b (K, P) with its units in this order."""
        return table.permute(self.architecture.layout, self.architecture.axes, perms, self.b)

    def unchanged(self) -> Perms:
        """The order that units have."""
        return table.identity(self.sizes, len(self.a))

    def shuffled(self, purpose: str) -> Perms:
        """A random order of units for each pair, which depends on its seed and the purpose alone."""
        return table.random(self.sizes, self.seeds, purpose)

    @cached_property
    def moments(self) -> Moments:
        """Uncentred second moments of what enters each layer of A."""
        return second_moments(self.architecture, self.a, self.x)

    def first(self) -> "Pairs":
        """The first pair alone."""
        return replace(self, a=self.a[:1], b=self.b[:1], seeds=self.seeds[:1])

    def swapped(self) -> "Pairs":
        """A and B in each other's place."""
        return replace(self, a=self.b, b=self.a)

    def copies(self) -> "Pairs":
        """A against A in random order."""
        itself = replace(self, b=self.a)
        return replace(self, b=itself.permuted(self.shuffled("relabelled")))

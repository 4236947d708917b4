"""Which axes of which tensors carry the same units: a union of sets, some of which must stay as they are.

Each axis of a parameter begins as a set of its own. An operation ties the axes that it lines up, and fixes those
whose units it tells apart; what is left free at the end can be permuted without the network noticing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

# An axis of a tensor: a set of units, or None for one that never moves (examples, pixels, the input's features).
Cell = int | None


@dataclass(frozen=True)
class Seen:
    """A tensor as the rules see it: its shape, and the cell of each axis."""

    shape: tuple[int, ...]
    cells: tuple[Cell, ...]


class Units:
    """Sets of axes (union-find). where: the operation at work, which the reasons for fixing a set name."""

    def __init__(self) -> None:
        self.where = ""
        self._parent: list[int] = []
        self._why: dict[int, str] = {}

    def new(self) -> int:
        """A set of one axis."""
        self._parent.append(len(self._parent))
        return len(self._parent) - 1

    def root(self, cell: int) -> int:
        """The set that an axis is in by now."""
        while self._parent[cell] != cell:
            cell = self._parent[cell]
        return cell

    def why(self, cell: int) -> str | None:
        """Why the units of this axis must stay, or None where they may move."""
        return self._why.get(self.root(cell))

    def fix(self, cells: Iterable[Cell], reason: str) -> None:
        """These axes must stay; the first reason given is kept."""
        for cell in cells:
            if cell is not None:
                self._why.setdefault(self.root(cell), f"{reason} ({self.where})")

    def tie(self, first: Cell, second: Cell) -> Cell:
        """One set of both, which is given back; None where one of them never moves."""
        if first is None or second is None:
            self.fix((first, second), "they meet an axis that must stay")
            return None
        kept, gone = sorted((self.root(first), self.root(second)))
        if kept != gone:
            self._parent[gone] = kept
            if gone in self._why:
                self._why.setdefault(kept, self._why.pop(gone))
        return kept

"""Coordinate ascent over the orders of one network's units: each group in turn by an assignment, the rest held.

The table of a group's scores, A's units by B's, is kept: when other units move it changes only by the products of
what moved, and near the end of a search hardly anything moves.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from isthmus.symmetry.assignment import MANY, best, likely
from isthmus.symmetry.table import Axes

# Group -> the (parameter, axis) that describe its units.
Terms = dict[str, list[tuple[str, int]]]

# A step counts when it gains more than this part of the largest gain possible, |A| |B| over the group.
_PROGRESS = 1e-9


class Ascent:
    """The search for one pair from one start. B is kept permuted as found so far: a step asks only for a change.

    Scores have the parameters' own precision (float32: half the time of float64), but a step is taken only if its
    gain, summed in float64, is real: so rounding cannot lead the search in circles, and where all of a unit's
    parameters count the objective never falls. Many units are first assigned among likely partners, and among
    all where that gains nothing any more: so a search ends where no assignment gains anything.
    A group is solved again only after a parameter of its own has moved.
    """

    def __init__(
        self,
        axes: Axes,
        terms: Terms,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        start: Mapping[str, Tensor],
    ) -> None:
        """a, b: parameters by name; start: group -> permutation (n,) of B."""
        used = list(dict.fromkeys(name for places in terms.values() for name, _ in places))
        self.perms = {group: p.clone() for group, p in start.items()}
        self._terms = terms
        self._a = {name: a[name] for name in used}
        self._b = {name: _ordered(b[name], axes[name], start) for name in used}
        self._moves = {group: _places(axes, used, group) for group in terms}
        # (parameter, group that moves it) -> the other groups whose scores it is in, with their axes.
        self._beside: dict[tuple[str, str], list[tuple[str, int]]] = {}
        for other, places in terms.items():
            for name, axis in places:
                for group in {*axes[name]} & {*terms} - {other}:
                    self._beside.setdefault((name, group), []).append((other, axis))
        self._scores = {
            group: sum(_units(self._a[name], axis) @ _units(self._b[name], axis).T for name, axis in places)
            for group, places in terms.items()
        }
        self._least = {
            group: _PROGRESS * _norm(self._a, places) * _norm(self._b, places) for group, places in terms.items()
        }
        # Groups to be solved; and to be solved among all partners before the search may end.
        self._stale, self._open = dict.fromkeys(terms, True), dict.fromkeys(terms, True)
        self.trace = [sum(_dot(self._a[name], self._b[name]) for name in used)]

    @property
    def objective(self) -> float:
        """Inner product of A and the permuted B over the parameters that count."""
        return self.trace[-1]

    def sweep(self, order: Sequence[str], exact: bool = False) -> bool:
        """Solve each group in this order; whether any unit moved. exact: among all partners from the start."""
        gains = [self._step(group, exact or len(self.perms[group]) < MANY) for group in order if self._stale[group]]
        if not any(gains):
            gains = [self._step(group, True) for group in order if self._open[group]]
        self.trace.append(self.objective + sum(gains))
        return any(gains)

    def _step(self, group: str, exact: bool) -> float:
        """Solve one group; what the objective gains, 0 where nothing moved."""
        self._stale[group], self._open[group] = False, not exact
        change = torch.from_numpy((best if exact else likely)(self._scores[group].numpy()))
        # Units that stay gain nothing and need no copying.
        unit = (change != torch.arange(len(change))).nonzero().squeeze(1)
        source = change[unit]
        moved, progress, gained = [], 0.0, 0.0
        for name, axis in self._moves[group] if len(unit) else ():
            ours, new, old = (
                part.index_select(axis, units)
                for part, units in ((self._a[name], unit), (self._b[name], source), (self._b[name], unit))
            )
            moved.append((name, axis, ours, new, new - old))
            gain = _dot(ours, new.double() - old)
            gained += gain
            progress += gain if (name, axis) in self._terms[group] else 0.0
        if not progress > self._least[group]:
            return 0.0
        for order, axis in ((self.perms[group], 0), (self._scores[group], 1)):
            order.index_copy_(axis, unit, order.index_select(axis, source))
        for name, axis, ours, new, delta in moved:
            self._b[name].index_copy_(axis, unit, new)
            for other, place in self._beside.get((name, group), ()):
                self._scores[other].addmm_(_units(ours, place), _units(delta, place).T)
                self._stale[other] = self._open[other] = True
        return gained


def _places(axes: Axes, names: Sequence[str], group: str) -> list[tuple[str, int]]:
    """The (parameter, axis) on which a group acts; ValueError where that is twice on one parameter."""
    places = [(name, axis) for name in names for axis, at in enumerate(axes[name]) if at == group]
    if len({name for name, _ in places}) < len(places):
        raise ValueError(f"a parameter carries {group!r} on two axes: no linear assignment orders it")
    return places


def _ordered(part: Tensor, groups: Sequence[str | None], perms: Mapping[str, Tensor]) -> Tensor:
    """A copy of a parameter with its axes in the order of the permutations."""
    for axis, group in enumerate(groups):
        if group in perms:
            part = part.index_select(axis, perms[group])
    return part.clone()


def _units(part: Tensor, axis: int) -> Tensor:
    """A parameter as a matrix, one row a unit of this axis."""
    return part.movedim(axis, 0).flatten(1) if part.ndim > 1 else part.unsqueeze(1)


def _dot(a: Tensor, b: Tensor) -> float:
    return float(torch.dot(a.flatten().double(), b.flatten().double()))


def _norm(parts: Mapping[str, Tensor], places: Sequence[tuple[str, int]]) -> float:
    return math.hypot(*(float(torch.linalg.vector_norm(parts[name], dtype=torch.float64)) for name, _ in places))

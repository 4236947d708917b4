"""Coordinate ascent over the units' orders, all pairs of networks together.

One step: for one group of units, the inner products of A's units with B's, summed over every parameter that
counts, and the assignment that maximises their sum.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from isthmus.engine.layout import Layout
from isthmus.symmetry.table import Axes, permute

# Group -> the (parameter, axis) that describe its units.
Terms = dict[str, list[tuple[str, int]]]

# A step counts when it gains more than this part of the largest gain possible, |A| |B| over the group.
_PROGRESS = 1e-9


def assignment(scores: Tensor) -> Tensor:
    """Permutations (K, n) that maximise sum_i scores[k, i, p[i]]; the identity where a score is not finite."""
    table = scores.detach().cpu().numpy()
    return torch.from_numpy(np.stack([_assign(table[k]) for k in range(len(table))])).to(scores.device)


def _assign(scores: np.ndarray) -> np.ndarray:
    try:
        return linear_sum_assignment(scores, maximize=True)[1]
    except ValueError:  # scipy's answer to a score that is not finite: a diverged network
        return np.arange(len(scores))


def units(parts: Mapping[str, Tensor], places: Sequence[tuple[str, int]]) -> Tensor:
    """Units as vectors (K, n, D): all that the places (parameter, axis) say of each unit, side by side."""
    moved = [parts[name].movedim(axis + 1, 1) for name, axis in places]
    return torch.cat([part.reshape(*part.shape[:2], -1) for part in moved], dim=2)


class Ascent:
    """One search for all pairs, from one start.

    B is kept permuted as found so far, so each step asks only for a change. Scores have the rows' own precision
    (float32: half the time of float64), but a step is taken only if its gain, summed in float64, is real: so
    rounding cannot lead the search in circles, and where all of a unit's parameters count the objective never
    falls. A group of a pair is solved again only after a parameter of its own has moved.
    """

    def __init__(
        self, layout: Layout, axes: Axes, terms: Terms, a: Tensor, b: Tensor, start: Mapping[str, Tensor]
    ) -> None:
        self.perms = {group: p.clone().to(a.device) for group, p in start.items()}
        used = list(dict.fromkeys(name for places in terms.values() for name, _ in places))
        parts_a, parts_b = layout.split(a), layout.split(permute(layout, axes, self.perms, b))
        self._terms = terms
        self._a, self._b = ({name: parts[name] for name in used} for parts in (parts_a, parts_b))
        self._units = {group: units(self._a, places) for group, places in terms.items()}
        self._moves = {
            group: [(name, axis) for name in used for axis, at in enumerate(axes[name]) if at == group]
            for group in terms
        }
        for group, moves in self._moves.items():
            names = [name for name, _ in moves]
            if len(set(names)) < len(names):
                raise ValueError(f"a parameter carries {group!r} on two axes: no linear assignment orders it")
        self._beside = {
            group: [
                other
                for other, places in terms.items()
                if other != group and {name for name, _ in places} & {name for name, _ in moves}
            ]
            for group, moves in self._moves.items()
        }
        self._least = {
            group: _PROGRESS * _norm(mine) * _norm(units(self._b, terms[group]))
            for group, mine in self._units.items()
        }
        self._stale = {group: torch.ones(len(a), dtype=torch.bool, device=a.device) for group in terms}
        self.trace = [self._product(slice(None))]

    @property
    def objective(self) -> Tensor:
        """Inner product (K,) of A and the permuted B over the parameters that count, float64."""
        return self.trace[-1]

    def sweep(self, order: Sequence[str]) -> bool:
        """Solve each group in this order; whether any pair's units moved."""
        moved = torch.zeros_like(self.objective, dtype=torch.bool)
        for group in order:
            rows = self._stale[group].nonzero().squeeze(1)
            self._stale[group][rows] = False
            if len(rows):
                moved[self._step(group, rows)] = True
        objective = self.objective.clone()
        objective[moved] = self._product(moved)
        self.trace.append(objective)
        return bool(moved.any())

    def _step(self, group: str, rows: Tensor) -> Tensor:
        """Solve one group of these pairs; the pairs whose units moved."""
        whole = len(rows) == len(self.objective)
        mine = self._units[group] if whole else self._units[group][rows]
        parts = self._b if whole else {name: self._b[name][rows] for name, _ in self._terms[group]}
        theirs = units(parts, self._terms[group])
        change = assignment(mine @ theirs.mT)
        # Units that stay gain nothing and need no copying: near the end nearly all of them.
        pair, unit = (change != torch.arange(change.shape[1], device=change.device)).nonzero(as_tuple=True)
        source = change[pair, unit]
        gains = mine[pair, unit].double() * (theirs[pair, source].double() - theirs[pair, unit].double())
        gain = torch.zeros_like(self._least[group][rows]).index_add_(0, pair, gains.sum(1))
        better = gain > self._least[group][rows]
        unit, source, pair = unit[better[pair]], source[better[pair]], rows[pair[better[pair]]]
        rows = rows[better]
        self.perms[group][pair, unit] = self.perms[group][pair, source]
        for name, axis in self._moves[group]:
            order = self._b[name].movedim(axis + 1, 1)
            order[pair, unit] = order[pair, source]
        for other in self._beside[group]:
            self._stale[other][rows] = True
        return rows

    def _product(self, rows: Tensor | slice) -> Tensor:
        return sum((self._a[name][rows].double() * self._b[name][rows]).flatten(1).sum(1) for name in self._b)


def _norm(vectors: Tensor) -> Tensor:
    return vectors.square().sum(2, dtype=torch.float64).sum(1).sqrt()

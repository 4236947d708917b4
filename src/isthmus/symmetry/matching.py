"""Weight matching: the order of B's units that lines its weights up with A's, for many pairs at once.

The forms differ in which parameters describe a unit, and in whether the orders of the layers are found in one
pass or by coordinate ascent.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.engine.layout import Layout
from isthmus.engine.streams import stream
from isthmus.symmetry.ascent import Ascent, Terms
from isthmus.symmetry.table import Axes, Perms, group_sizes, identity, random

# Scalars in one block of pairs' rows: 64 MB of float32; a search holds about six times that.
_BLOCK = 1 << 24


@dataclass(frozen=True)
class Matching:
    """Permutations of B (group -> (K, n)) and how the search went.

    objective (K,): inner product of A and permuted B over the parameters that the form counts, float64.
    trace (S, K, T): the objective of each start, at first and after each sweep; constant after the last sweep.
    chosen (K,): which start won; 0 is the given one.
    """

    perms: Perms
    objective: Tensor
    trace: Tensor
    chosen: Tensor


def weight_matching(
    layout: Layout,
    axes: Axes,
    theta_a: Tensor,
    theta_b: Tensor,
    form: str = "git_rebasin",
    restarts: int = 3,
    seed: int = 0,
    start: Mapping[str, Tensor] | None = None,
    sweeps: int = 100,
) -> Matching:
    """Permutations of the rows theta_b (K, P) towards theta_a (K, P).

    form: `git_rebasin`: incoming and outgoing weights, biases and scales; coordinate ascent, groups in random
    order in each sweep, until a sweep without progress (Ainsworth et al. 2022, algorithm 1). `no_bias`: the same
    without parameters whose name contains "bias" (Altıntaş et al. 2025, code). `naive`: incoming weights only,
    one pass in the table's order from the identity (Ferbach et al. 2024); it has no starts to choose.
    restarts: random starts besides `start` (the identity by default); the best objective is kept.
    Orders and random starts depend on the seed, not on the pair: a pair does not know its neighbours.
    """
    if form == "naive":
        return one_pass(layout, axes, theta_a, theta_b, lambda name, axis: axis == 0 and len(axes[name]) > 1)
    counted = {"git_rebasin": lambda name, axis: True, "no_bias": lambda name, axis: "bias" not in name}
    if form not in counted:
        raise ValueError(f"weight matching: wanted git_rebasin, no_bias or naive, found {form!r}")
    terms, sizes = _terms(axes, counted[form]), group_sizes(layout, axes)
    done = []
    for rows in _blocks(theta_a):
        a, b = theta_a[rows], theta_b[rows]
        searches = []
        for trial in range(restarts + 1):
            first = identity(sizes, len(a)) if start is None else {group: p[rows] for group, p in start.items()}
            if trial > 0:
                drawn = random(sizes, [seed], f"restart/{trial}")
                first = {group: p.expand(len(a), -1) for group, p in drawn.items()}
            search, rng = Ascent(layout, axes, terms, a, b, first), stream(seed, "order", trial)
            for _ in range(sweeps):
                if not search.sweep([list(terms)[i] for i in rng.permutation(len(terms))]):
                    break
            searches.append(search)
        done.append(_best(searches))
    return _join(done)


def one_pass(
    layout: Layout, axes: Axes, theta_a: Tensor, theta_b: Tensor, counted: Callable[[str, int], bool]
) -> Matching:
    """Each group once, in the table's order, given the groups before it.

    counted(parameter, axis): whether it describes the units on that axis.
    """
    terms, sizes, done = _terms(axes, counted), group_sizes(layout, axes), []
    for rows in _blocks(theta_a):
        a, b = theta_a[rows], theta_b[rows]
        search = Ascent(layout, axes, terms, a, b, identity(sizes, len(a)))
        search.sweep(list(terms))
        done.append(_best([search]))
    return _join(done)


def _terms(axes: Axes, counted: Callable[[str, int], bool]) -> Terms:
    terms: Terms = {}
    for name, groups in axes.items():
        for axis, group in enumerate(groups):
            if group is not None and counted(name, axis):
                terms.setdefault(group, []).append((name, axis))
    return terms


def _blocks(theta: Tensor) -> Iterator[slice]:
    step = max(1, _BLOCK // theta.shape[1])
    return (slice(start, start + step) for start in range(0, len(theta), step))


def _best(searches: list[Ascent]) -> Matching:
    """For each pair the start of the highest objective, the earliest of equals."""
    length = max(len(search.trace) for search in searches)
    trace = torch.stack(
        [torch.stack(search.trace + [search.objective] * (length - len(search.trace)), 1) for search in searches]
    )
    chosen = torch.zeros(trace.shape[1], dtype=torch.long, device=trace.device)
    objective = trace[0, :, -1].clone()
    for trial in range(1, len(searches)):
        higher = trace[trial, :, -1] > objective
        chosen[higher], objective[higher] = trial, trace[trial, higher, -1]
    pairs = torch.arange(len(chosen), device=trace.device)
    perms = {
        group: torch.stack([search.perms[group] for search in searches])[chosen, pairs]
        for group in searches[0].perms
    }
    return Matching(perms, objective, trace, chosen)


def _join(done: list[Matching]) -> Matching:
    length = max(part.trace.shape[2] for part in done)
    traces = [
        torch.cat([part.trace, part.trace[:, :, -1:].expand(-1, -1, length - part.trace.shape[2])], dim=2)
        for part in done
    ]
    perms = {group: torch.cat([part.perms[group] for part in done]) for group in done[0].perms}
    objective = torch.cat([part.objective for part in done])
    return Matching(perms, objective, torch.cat(traces, dim=1), torch.cat([part.chosen for part in done]))

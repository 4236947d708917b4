"""Weight matching: the order of B's units that lines its weights up with A's, for many pairs at once.

The forms differ in which parameters describe a unit, and in whether the orders of the layers are found in one
pass or by coordinate ascent. Each pair and start is a search of its own, and cores share the searches.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isthmus.engine.layout import Layout
from isthmus.engine.streams import stream
from isthmus.symmetry.ascent import Ascent, Terms
from isthmus.symmetry.assignment import at_once
from isthmus.symmetry.table import Axes, Perms, group_sizes, identity, random


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
    """Permutations of the rows theta_b (K, P) towards theta_a (K, P). Statistics of BatchNorm move, uncounted.

    form: `git_rebasin`: incoming and outgoing weights, biases and scales; coordinate ascent, groups in random
    order in each sweep, until a sweep without progress (Ainsworth et al. 2022, algorithm 1). `no_bias`: the same
    without parameters whose name contains "bias" (Altıntaş et al. 2025, code). `naive`: incoming weights only,
    one pass in the table's order from the identity (Ferbach et al. 2024); it has no starts to choose.
    restarts: random starts besides `start` (the identity by default); the best objective is kept.
    Orders and random starts depend on the seed, not on the pair: a pair does not know its neighbours.
    """
    if form == "naive":
        return one_pass(layout, axes, theta_a, theta_b, lambda name, axis: axis == 0 and len(axes[name]) > 1)
    trained = layout.parameters
    counted = {
        "git_rebasin": lambda name, axis: name in trained,
        "no_bias": lambda name, axis: name in trained and "bias" not in name,
    }
    if form not in counted:
        raise ValueError(f"weight matching: wanted git_rebasin, no_bias or naive, found {form!r}")
    terms, sizes = _terms(axes, counted[form]), group_sizes(layout, axes)
    starts = [start or identity(sizes, 1)]
    starts += [random(sizes, [seed], f"restart/{trial}") for trial in range(1, restarts + 1)]
    orders = [list(_orders(list(terms), stream(seed, "order", trial), sweeps)) for trial in range(restarts + 1)]

    def search(pair: int, trial: int, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Ascent:
        found = Ascent(axes, terms, a, b, _of(starts[trial], pair))
        for order in orders[trial]:
            if not found.sweep(order):
                break
        return found

    return _searched(layout, theta_a, theta_b, restarts + 1, search)


def one_pass(
    layout: Layout,
    axes: Axes,
    theta_a: Tensor,
    theta_b: Tensor,
    counted: Callable[[str, int], bool],
    start: Mapping[str, Tensor] | None = None,
) -> Matching:
    """Each group once, in the table's order, given the groups before it.

    counted(parameter, axis): whether it describes the units on that axis. start: the identity by default.
    """
    terms, first = _terms(axes, counted), start or identity(group_sizes(layout, axes), 1)

    def search(pair: int, trial: int, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Ascent:
        found = Ascent(axes, terms, a, b, _of(first, pair))
        found.sweep(list(terms), exact=True)
        return found

    return _searched(layout, theta_a, theta_b, 1, search)


def _terms(axes: Axes, counted: Callable[[str, int], bool]) -> Terms:
    terms: Terms = {}
    for name, groups in axes.items():
        for axis, group in enumerate(groups):
            if group is not None and counted(name, axis):
                terms.setdefault(group, []).append((name, axis))
    return terms


def _orders(groups: Sequence[str], rng: np.random.Generator, sweeps: int) -> Iterator[list[str]]:
    return ([groups[i] for i in rng.permutation(len(groups))] for _ in range(sweeps))


def _of(perms: Mapping[str, Tensor], pair: int) -> Perms:
    """A pair's own permutations, of one for each pair or one for all."""
    return {group: p[pair if len(p) > 1 else 0].cpu() for group, p in perms.items()}


def _searched(
    layout: Layout,
    theta_a: Tensor,
    theta_b: Tensor,
    starts: int,
    search: Callable[[int, int, Mapping[str, Tensor], Mapping[str, Tensor]], Ascent],
) -> Matching:
    """For each pair the start of the highest objective, the earliest of equals.

    search(pair, start, A's parameters, B's): assignments are made on the CPU, so all of it is.
    """
    rows_a, rows_b = theta_a.detach().cpu(), theta_b.detach().cpu()

    def one(job: tuple[int, int]) -> tuple[Perms, list[float]]:
        pair, trial = job
        found = search(pair, trial, layout.split(rows_a[pair]), layout.split(rows_b[pair]))
        return found.perms, found.trace

    found = at_once(one, [(pair, trial) for pair in range(len(rows_a)) for trial in range(starts)])
    length = max(len(trace) for _, trace in found)
    whole = [trace + trace[-1:] * (length - len(trace)) for _, trace in found]
    trace = torch.tensor(whole, dtype=torch.float64).view(len(rows_a), starts, length).transpose(0, 1)
    # argmax takes the first of equals; a diverged pair's are all NaN, and it keeps its first start.
    chosen = trace[:, :, -1].argmax(0)
    won = [found[pair * starts + trial][0] for pair, trial in enumerate(chosen.tolist())]
    perms = {group: torch.stack([of_pair[group] for of_pair in won]).to(theta_a.device) for group in won[0]}
    objective = trace[:, :, -1].gather(0, chosen.unsqueeze(0)).squeeze(0)
    return Matching(perms, *(part.to(theta_a.device) for part in (objective, trace, chosen)))

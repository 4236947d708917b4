"""Units of the lowest score removed at once, in rounds: each scores anew what the one before has left."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from isthmus.engine.batches import held_out
from isthmus.pruning.scores import balanced
from isthmus.removal import gates
from isthmus.removal.cut import Live, scalars
from isthmus.removal.scene import Scene, highest, joined, parted

Score = Callable[..., Tensor]

# Rounds in which the share that is missing halves, from half of the units on, before the last.
_HALVINGS = 6
# Of each class, that scores see.
_EXAMPLES = 10


def snap(scene: Scene) -> Live:
    """The units (R, n) left when those of the least |dL/dz| have gone (SNAP, Verdenius et al. 2020)."""
    return left_by(scene, gates.sensitivity)


def cropit(scene: Scene) -> Live:
    """The units (R, n) left when those that keep the least of the gradient's flow have gone (CroPit-S)."""
    return left_by(scene, gates.flow)


def rounds(share: float) -> list[float]:
    """The shares of units left after each round, down to `share` (Dufort-Labbé et al. 2024, code, steps = 5).

    Half of the units go in the first round, and in each of the next five half of what is still to go; then the
    rest. Where at most half are to go, they go at once.
    """
    gone = 1 - share
    if gone <= 0.5:
        return [share]
    return [1 - (gone - (gone - 0.5) * 0.5**place) for place in range(_HALVINGS)] + [share]


def left_by(scene: Scene, score: Score) -> Live:
    """The units (R, n) left, the highest scores of all groups together: a group may lose all of its units.

    Scores are of one batch of ten examples of each class, drawn by the network's seed among those that it trains
    on. The code of Dufort-Labbé et al. (2024) sums ten batches, in evaluation mode; that, and the draw, is ours.
    """
    plans = [rounds(float(share)) for share in scene.shares]
    most = max(map(len, plans))
    x, y = _batches(scene)
    live = scene.live
    layout, axes = scene.architecture.layout, scene.architecture.axes
    for place in range(most):
        theta = scene.theta * scalars(layout, axes, live).to(scene.theta.device)
        found = score(scene.architecture, theta, x, y, scene.recipe.loss).cpu()
        kept = [round(plan[min(place, len(plan) - 1)] * scene.total) for plan in plans]
        live = parted(live, highest(found, joined(live), kept))
    return live


def _batches(scene: Scene) -> tuple[Tensor, Tensor]:
    """Inputs (R, N, *shape) and labels (R, N)."""
    labels, chosen = scene.y.cpu(), []
    for network in scene.networks:
        own = np.flatnonzero(~held_out(network.seed, len(labels), scene.recipe.held_out))
        places = torch.from_numpy(own)
        chosen.append(places[balanced(labels[places], _EXAMPLES, network.seed)])
    at = torch.stack(chosen).to(scene.x.device)
    return scene.x[at], scene.y[at]

"""Dead units: those that answer zero to every example, whose removal changes nothing (Dufort-Labbé et al. 2024)."""

import torch
from torch import Tensor

from isthmus.engine import evaluate
from isthmus.engine.architecture import Architecture
from isthmus.engine.statistics import refreshed
from isthmus.removal.cut import Cut, Live
from isthmus.removal.scene import Scene


def dead(architecture: Architecture, theta: Tensor, x: Tensor) -> dict[str, Tensor]:
    """Group -> bool (R, n): units of rows (R, P) whose activation is zero on all inputs x (N, *shape), at every
    place.

    In evaluation mode, with the statistics in the rows. A unit of a residual stream is dead if it is zero wherever
    the stream is read, behind the stem and behind each block, since all of these share its channels here.
    """
    return evaluate.silent(architecture, theta, x, everywhere=True)


def living(scene: Scene) -> Live:
    """The units (R, n) that are left when those dead on the training set, or on its first examples, are gone.

    BatchNorm's statistics are those of the whole training set (engine/statistics.py); the paper's code has running
    averages instead. What is held out from a network belongs to that set here too: no label of it is read.
    """
    x = scene.x[: scene.recipe.removal.examples]
    whole, batch = scene.architecture, scene.recipe.batch
    size = whole.rows_at_once(batch)
    parts = []
    for start in range(0, len(scene.theta), size):
        rows = slice(start, start + size)
        live = {group: left[rows] for group, left in scene.live.items()}
        cut = Cut.of(whole, live, scene.theta.device)
        theta = refreshed(cut.architecture, cut.take(scene.theta[rows]), scene.x, batch)
        found = dead(cut.architecture, theta, x)
        parts.append(
            {
                group: left & ~torch.zeros_like(left).scatter_(1, cut.units[group], found[group].cpu())
                for group, left in live.items()
            }
        )
    return {group: torch.cat([part[group] for part in parts]) for group in scene.live}

"""Units removed once, early in training, when the network has nearly stopped to move (EarlyCroP-S)."""

from dataclasses import replace

import torch

from isthmus.removal import gates
from isthmus.removal.by_score import left_by
from isthmus.removal.cut import Live
from isthmus.removal.scene import Scene


def early_cropit(scene: Scene) -> Live:
    """The units (R, n) left after the end of an epoch: all, until the network's moment comes, then those of
    CroPit-S.

    With d the distance of all trained scalars from where they were after the first epoch, and n their norm there,
    the moment is the first end of an epoch, from the third on, where 0 < |d - d of the epoch before| / n <
    threshold (Rachwan et al. 2022). The threshold is min(share kept - 0.1, 0.99) times d / n after the second epoch
    (Dufort-Labbé et al. 2024, code).

    Ours: a network whose moment has not come when half of its updates are taken loses its units then, at the next
    end of an epoch, so that its size is the one asked for (the rule itself never acts where a tenth or less is
    kept).
    """
    memory, theta = scene.memory, scene.theta[:, : scene.architecture.layout.trained]
    if not memory:
        count = len(theta)
        memory |= {"done": torch.zeros(count, dtype=torch.bool), "reference": theta.clone()}
        memory |= {name: torch.full((count,), torch.nan) for name in ("before", "threshold")}
        return _now(scene, _late(scene) & ~memory["done"])
    reference = memory["reference"].to(theta.device)
    scale = reference.norm(dim=1)
    moved = ((theta - reference).norm(dim=1) / scale).cpu()
    if memory["threshold"].isnan().all():
        memory["threshold"] = (moved * (scene.shares - 0.1).clamp(max=0.99)).float()
        due = torch.zeros_like(memory["done"])
    else:
        change = (moved - memory["before"]).abs()
        due = (change > 0) & (change < memory["threshold"])
    memory["before"] = moved
    return _now(scene, (due | _late(scene)) & ~memory["done"])


def _late(scene: Scene) -> torch.Tensor:
    """Bool (R,): whether half of the run's updates are taken."""
    late = 2 * (scene.step - scene.first) >= scene.recipe.steps - scene.first
    return torch.full((len(scene.networks),), late)


def _now(scene: Scene, due: torch.Tensor) -> Live:
    """The units left when those networks that are due, bool (R,), have lost theirs."""
    scene.memory["done"] = scene.memory["done"] | due
    rows = due.nonzero().squeeze(1)
    if not len(rows):
        return scene.live
    networks = [scene.networks[row] for row in rows.tolist()]
    live = {group: left[rows] for group, left in scene.live.items()}
    found = left_by(replace(scene, networks=networks, theta=scene.theta[rows], live=live), gates.flow)
    return {group: left.index_copy(0, rows, found[group]) for group, left in scene.live.items()}

"""Where the rows of a chunk begin: at their own initialisation, or at another fleet's rows, pruned or not."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from isthmus.engine.fleet import Fleet
from isthmus.engine.recipe import Recipe
from isthmus.errors import UserError


@dataclass(frozen=True)
class Start:
    """What a chunk's rows are before their first update, which is update `step` of schedule and data order.

    theta: rows (R, P), or None for the initialisation. memory: the optimizer's, by name; empty to start anew. mask:
    bool (R, P), or None; where it is False a scalar is zero, and stays exactly zero whatever the optimizer does.
    """

    step: int = 0
    theta: Tensor | None = None
    memory: Mapping[str, Tensor] = field(default_factory=dict)
    mask: Tensor | None = None

    def digest(self) -> str:
        """Checksum of all of it: what a save must agree with to be gone on from."""
        parts = {"theta": self.theta, "mask": self.mask, **self.memory}
        summed = hashlib.sha256(str(self.step).encode())
        for name, value in sorted(parts.items()):
            if value is not None:
                summed.update(name.encode() + value.contiguous().numpy().tobytes())
        return summed.hexdigest()


def branched(recipe: Recipe, rows: slice, parent: Fleet) -> Start:
    """The start of these rows of a branch: each at its parent's row, as it was after `branch.at` updates.

    Raises UserError where the parent is another recipe's fleet, or kept no memory to go on with.
    """
    branch = recipe.branch
    if branch.parent != parent.recipe.digest():
        raise UserError("branch: wanted the fleet of the run that the recipe branches from, found another's")
    chosen = [network.parent for network in recipe.networks[rows]]
    theta = parent.thetas[branch.at][chosen]
    memory = parent.memory(branch.at) if branch.memory else {}
    return Start(branch.at, theta, {name: value[chosen] for name, value in memory.items()})

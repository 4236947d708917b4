"""What takes units from a chunk's networks while they train: when it is asked, what is gone, and what is recorded.

In the state, rows stay whole: a removed unit's scalars are exactly zero there, in the rows and in the optimizer's
memory, so that saves, checkpoints and probes need to know nothing of it.
"""

from collections.abc import Sequence
from importlib import import_module

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.batches import steps_per_epoch
from isthmus.engine.recipe import Network, Recipe
from isthmus.errors import UserError
from isthmus.removal.cut import Cut, scalars
from isthmus.removal.kinds import KINDS
from isthmus.removal.scene import Scene
from isthmus.symmetry.table import group_sizes

Tensors = dict[str, Tensor]


class Remover:
    """The removal of units from these networks, of which each kind is asked for those that want it.

    events: the updates before which it has to be called. UserError for a model that cannot lose units.
    """

    def __init__(
        self,
        recipe: Recipe,
        networks: Sequence[Network],
        architecture: Architecture,
        x: Tensor,
        y: Tensor,
        first: int,
    ) -> None:
        self.recipe, self.networks, self.architecture = recipe, networks, architecture
        self.x, self.y, self.first = x, y, first
        self.sizes = group_sizes(architecture.layout, architecture.axes)
        self.rows: dict[str, list[int]] = {}
        for row, network in enumerate(networks):
            if network.remove is not None:
                self.rows.setdefault(network.remove, []).append(row)
        _check(architecture, self.sizes)
        examples = len(x) - round(recipe.held_out * len(x))
        epoch = steps_per_epoch(examples, recipe.batch)
        self.times = {
            "looks": {*recipe.looks},
            "first": {first},
            "epochs": {step for step in range(0, recipe.steps, epoch) if step > first},
        }
        self.events = self.times["looks"].union(*(self.times[KINDS[kind].when] for kind in self.rows))

    def start(self) -> Tensors:
        """What the state holds of it before the first update: all units left, none counted, nothing collapsed."""
        rows, looks = len(self.networks), len(self.recipe.looks)
        live = {f"probe/live/{group}": torch.ones((rows, n), dtype=torch.bool) for group, n in self.sizes.items()}
        counts = {f"probe/units/{group}": torch.zeros((rows, looks), dtype=torch.int64) for group in self.sizes}
        return live | counts | {"probe/collapsed_at": torch.full((rows,), -1)}

    def arrive(self, tensors: Tensors, step: int) -> bool:
        """Before update `step`: remove what is to be removed now, record, and say whether anything was."""
        if step not in self.events:
            return False
        before = self._live(tensors)
        live = {group: left.clone() for group, left in before.items()}
        for kind, rows in self.rows.items():
            if step in self.times[KINDS[kind].when]:
                found = self._ask(kind, rows, tensors, step)
                for group, left in found.items():
                    live[group][rows] &= left
        changed = any(bool((live[group] != left).any()) for group, left in before.items())
        if changed:
            self._remove(tensors, live, step)
        if step in self.times["looks"]:
            place = self.recipe.looks.index(step)
            for group, left in live.items():
                tensors[f"probe/units/{group}"][:, place] = left.sum(1)
        return changed

    def whole(self, tensors: Tensors, rows: slice) -> bool:
        """Whether the networks in these rows have all their units."""
        return all(bool(left.all()) for left in self._live(tensors, rows).values())

    def left(self, tensors: Tensors, rows: slice) -> Tensor:
        """Which scalars of these rows (R, P) are left, bool."""
        return scalars(self.architecture.layout, self.architecture.axes, self._live(tensors, rows))

    def cut(self, tensors: Tensors, rows: slice) -> Cut:
        """How these rows are cut to what is left of them."""
        return Cut.of(self.architecture, self._live(tensors, rows), tensors["theta"].device)

    def _live(self, tensors: Tensors, rows: slice | list[int] = slice(None)) -> Tensors:
        return {group: tensors[f"probe/live/{group}"][rows] for group in self.sizes}

    def _ask(self, kind: str, rows: list[int], tensors: Tensors, step: int) -> Tensors:
        """Group -> units (len(rows), n) that this kind leaves of the networks in these rows."""
        prefix = f"removal/{kind}/"
        memory = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
        networks, live = [self.networks[row] for row in rows], self._live(tensors, rows)
        theta, of = tensors["theta"][rows], (self.recipe, self.architecture, networks)
        scene = Scene(*of, theta, live, self.x, self.y, step, self.first, memory)
        # By name: a change of one kind is no change of the code that trains networks of the others.
        module = import_module(f"isthmus.removal.{KINDS[kind].module}")
        found = getattr(module, KINDS[kind].function)(scene)
        tensors |= {f"{prefix}{name}": value for name, value in scene.memory.items()}
        return found

    def _remove(self, tensors: Tensors, live: Tensors, step: int) -> None:
        """Put these units left into the state, all others to zero there."""
        tensors |= {f"probe/live/{group}": left for group, left in live.items()}
        gone = ~scalars(self.architecture.layout, self.architecture.axes, live).to(tensors["theta"].device)
        tensors["theta"][gone] = 0.0
        for name, value in tensors.items():
            if name.startswith("optimizer/"):
                value[gone[:, : value.shape[1]]] = 0.0
        empty = torch.stack([~left.any(1) for left in live.values()]).any(0)
        collapsed = tensors["probe/collapsed_at"]
        collapsed[empty & (collapsed < 0)] = step


def _check(architecture: Architecture, sizes: dict[str, int]) -> None:
    """UserError unless rows without some units compute, cut, what they compute with these at zero.

    Found by trying: layers that do not take their sizes from their parameters fail, and a normalisation over the
    units themselves gives other outputs.
    """
    wanted = "study.yaml, removal: wanted a model whose units can be removed"
    faults = {
        "layers of another package": not architecture.stacks,
        "no hidden units": not sizes,
        "dropout": bool(architecture.dropouts),
    }
    if found := [fault for fault, there in faults.items() if there]:
        raise UserError(f"{wanted}, found {found[0]}")
    live = {group: torch.arange(n).unsqueeze(0) % 2 == 0 for group, n in sizes.items()}
    generator = torch.Generator().manual_seed(0)
    # Nothing about it is special, and variances stay positive.
    theta = architecture.initial([0])
    theta = theta * (1 + 0.1 * torch.randn(theta.shape, generator=generator)) + 0.01
    theta *= scalars(architecture.layout, architecture.axes, live)
    x = torch.randn((4, *architecture.shape), generator=generator)
    cut = Cut.of(architecture, live)
    with torch.no_grad():
        for training in (True, False):
            whole = architecture.logits(theta, x, training=training)
            try:
                small = cut.architecture.logits(cut.take(theta), x, training=training)
            except RuntimeError as error:
                raise UserError(f"{wanted}, found layers of fixed sizes ({error})") from error
            if not torch.allclose(whole, small, rtol=1e-3, atol=1e-3 * float(whole.abs().max())):
                raise UserError(f"{wanted}, found a normalisation over its units")

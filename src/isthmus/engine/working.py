"""Some rows of a chunk at work: what they are computed with, and one update of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.block import Block
from isthmus.engine.held import Held
from isthmus.engine.noise import Noise
from isthmus.engine.penalty import Penalty
from isthmus.engine.recipe import Network, Recipe

if TYPE_CHECKING:
    from isthmus.removal.cut import Cut


@dataclass(frozen=True)
class Working:
    """Rows that take each update together. theta (R, trained columns) and memory are views of the state's, or, of
    rows that are cut, copies that `keep` writes back.
    """

    rows: slice
    block: Block
    theta: Tensor
    memory: Mapping[str, Tensor]
    held: Held | None
    penalty: Penalty | None
    noise: Noise | None
    cut: "Cut | None" = None

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        networks: Sequence[Network],
        architecture: Architecture,
        rows: slice,
        theta: Tensor,
        memory: Mapping[str, Tensor],
        anchor: Tensor | None,
        held: Held | None,
        cut: "Cut | None",
    ) -> "Working":
        """These networks at work. theta (R, P), memory and held: of their whole rows."""
        device, trained, columns = theta.device, architecture.layout.trained, None
        if cut is not None:
            architecture, theta, held = cut.architecture, cut.take(theta), held.taken(cut.take)
            memory = {name: cut.take(value) for name, value in memory.items()}
            columns = cut.columns[:, : architecture.layout.trained]
        layout = architecture.layout
        return cls(
            rows,
            Block(architecture, recipe, theta, anchor),
            theta[:, : layout.trained],
            memory,
            held,
            Penalty.of(recipe, networks, layout, device),
            Noise.of(recipe, networks, trained, columns, device),
            cut,
        )

    def given(self, step: int, sent: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """What penalty and noise are at update `step`, for `move`. sent: takes a tensor to where the rows are."""
        given = {}
        if self.penalty is not None:
            given["penalty"] = self.penalty.at(step)
        if self.noise is not None:
            given |= {"noise/scale": self.noise.at(step), "noise/xi": sent(self.noise.draw(step))}
        return given

    def move(
        self, gradient: Tensor, optimizer: ModuleType, settings: Mapping[str, Any], given: Mapping[str, Tensor]
    ) -> None:
        """One update, in place: penalty, the optimizer's step, noise.

        Scalars that are pruned, removed or frozen keep their bits. given: what is special to this update: `rate`
        (R, 1), `age` (), the optimizer's updates before this one, and what `given` gives.
        """
        where = None if self.noise is None else self.noise.where(gradient)
        if self.penalty is not None:
            self.penalty.add(gradient, self.theta, given["penalty"])
        if self.held is not None:
            self.held.clear(gradient)
        optimizer.update(self.theta, gradient, self.memory, given["rate"], given["age"], settings)
        if self.noise is not None:
            self.noise.add(self.theta, given["noise/xi"], given["noise/scale"], where)
        if self.held is not None:
            self.held.restore(self.theta)

    def keep(self, theta: Tensor, memory: Mapping[str, Tensor]) -> None:
        """Write what is cut back to the state's theta (all rows, P) and memory."""
        if self.cut is not None:
            self.cut.put(theta[self.rows], self.theta)
            for name, value in self.memory.items():
                self.cut.put(memory[name][self.rows], value)

"""What a run needs to go on, between two updates."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class State:
    """All that a run needs to go on: the step it stands before, and tensors by name.

    theta (R, P); optimizer/<name>; step/<n>/theta for the checkpoints passed, step/<n>/optimizer/<name> where
    memory is kept; probe/mask (R, P), what is kept of pruned rows; probe/loss (R, steps), the batch loss of each
    update; probe/changed (R,), how many scalars a perturbation really moved; probe/<name>/<n> for the recipe's
    probes; and at the end probe/diverged_at (R,), the first update with a loss that is not finite, or -1. Where
    units are removed, also what removal/remover.py keeps; the rows are whole, and zero where a unit was.
    """

    step: int
    tensors: dict[str, Tensor]

    def memory(self) -> dict[str, Tensor]:
        """The optimizer's tensors by their own names."""
        prefix = "optimizer/"
        return {name[len(prefix) :]: value for name, value in self.tensors.items() if name.startswith(prefix)}

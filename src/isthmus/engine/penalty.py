"""A penalty on weights, added to the gradient before the optimizer sees it: Adam's preconditioner acts on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.engine.layout import Layout
from isthmus.engine.recipe import Network, Recipe
from isthmus.engine.schedules import over_span
from isthmus.errors import UserError

# What a penalty is on -> the roles of the parameters that it sums over.
ROLES = {
    "scale": ("scale",),
    "shift": ("shift",),
    "norm": ("scale", "shift"),
    "weights": ("weight", "scale", "shift"),
}


@dataclass(frozen=True)
class Penalty:
    """peak factor(t) sum |w|, or peak factor(t) / 2 sum w^2, of R rows: plain sums (Dufort-Labbé et al. 2024,
    code).

    spans: the columns that are summed over. peaks: (R, 1). factors: of every update. form: lasso or ridge.
    """

    spans: Sequence[slice]
    peaks: Tensor
    factors: Sequence[float]
    form: str

    @classmethod
    def of(
        cls, recipe: Recipe, networks: Sequence[Network], layout: Layout, device: torch.device
    ) -> "Penalty | None":
        """The penalty on the rows of these networks, None where all their peaks are zero.

        UserError where the model has nothing to penalise.
        """
        how = recipe.penalty
        if how is None or not any(network.penalty for network in networks):
            return None
        peaks = torch.tensor([[network.penalty] for network in networks], device=device)
        return cls(spans(layout, how.of), peaks, over_span(how.shape, how.span, recipe.steps), how.form)

    def at(self, step: int) -> Tensor:
        """lambda (R, 1) at this update."""
        return self.peaks * self.factors[step]

    def add(self, gradient: Tensor, theta: Tensor, factor: Tensor) -> None:
        """Add, in place, the penalty's gradient at rows theta (R, P) to gradients (R, trained columns).

        Lasso: lambda sign(w), which is 0 at w = 0. Ridge: lambda w. factor: lambda (R, 1).
        """
        for span in self.spans:
            values = theta[:, span]
            gradient[:, span].addcmul_(values.sign() if self.form == "lasso" else values, factor)


def spans(layout: Layout, of: str) -> list[slice]:
    """The columns of what a penalty is on, neighbours joined; UserError where there are none."""
    slots = [slot for slot in layout.parameters.values() if slot.role.kind in ROLES[of]]
    if not slots:
        kinds = sorted({slot.role.kind for slot in layout.parameters.values()})
        raise UserError(f"study.yaml, penalty.of: wanted parameters of this model ({', '.join(kinds)}), found {of}")
    found: list[slice] = []
    for slot in slots:
        if found and found[-1].stop == slot.start:
            found[-1] = slice(found[-1].start, slot.stop)
        else:
            found.append(slice(slot.start, slot.stop))
    return found

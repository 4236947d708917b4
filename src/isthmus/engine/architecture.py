"""A plain module made to run on rows: one row, or all rows of a fleet at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from isthmus.engine.layout import Layout
from isthmus.engine.recipe import Recipe
from isthmus.engine.streams import stream
from isthmus.errors import UserError


@dataclass(frozen=True)
class Architecture:
    """A module without values, its layout, its symmetry table and its kernel-regime scale.

    lazy: None, or alpha of the kernel regime, where the network computes alpha (f(theta) - f(theta_0))
    (Chizat et al. 2019, eq. 2 with centring); theta_0 is then passed as `anchor`.
    """

    module: nn.Module
    family: ModuleType
    settings: Mapping
    layout: Layout
    axes: Mapping[str, tuple[str | None, ...]]
    shape: tuple[int, ...]
    classes: int
    lazy: float | None = None

    @classmethod
    def of(cls, recipe: Recipe, shape: tuple[int, ...], classes: int) -> "Architecture":
        """The architecture that a recipe names, for inputs of this shape."""
        try:
            family = import_module(f"isthmus.models.{recipe.model.name}")
        except ModuleNotFoundError as error:
            raise UserError(
                f"study.yaml, model: wanted a module of isthmus.models, found {recipe.model.name!r}"
            ) from error
        module = family.build(recipe.model.settings, shape, classes)
        layout, axes = Layout.of(module), family.symmetry(module)
        return cls(module, family, recipe.model.settings, layout, axes, shape, classes, recipe.lazy)

    def initial(self, seeds: list[int]) -> Tensor:
        """Initial rows (R, P); row r depends on seeds[r] alone."""
        rows = {}
        for seed in dict.fromkeys(seeds):
            rng = stream(seed, "initialise")
            rows[seed] = self.layout.join(self.family.initialise(self.module, self.settings, rng))
        return torch.stack([rows[seed] for seed in seeds])

    def logits(self, theta: Tensor, x: Tensor, anchor: Tensor | None = None) -> Tensor:
        """Logits (R, N, C) of rows (R, P) on inputs shared (N, *shape) or each row's own (R, N, *shape).

        anchor: the rows theta_0 (R, P), for a fleet in the kernel regime only.
        """
        x = x if x.ndim == len(self.shape) + 2 else x.expand(len(theta), *x.shape)
        if self.lazy is None:
            return self._outputs(theta, x)
        return self.lazy * (self._outputs(theta, x) - self._outputs(anchor, x))

    def _outputs(self, theta: Tensor, x: Tensor) -> Tensor:
        """What the plain modules put out: by the family's own formula on rows where it has one, else by vmap."""
        if hasattr(self.family, "stacked"):
            return self.family.stacked(self.module, self.layout.split(theta), x)
        return self.mapped(theta, x)

    def mapped(self, theta: Tensor, x: Tensor) -> Tensor:
        """Logits (R, N, C) of any module on rows (R, P) and inputs (R, N, *shape), by vmap."""
        return vmap(lambda row, inputs: functional_call(self.module, self.layout.split(row), (inputs,)))(theta, x)

    def activations(self, theta: Tensor, x: Tensor) -> dict[str, Tensor]:
        """Group -> activations (R, N, width) of rows (R, P) on shared inputs (N, *shape)."""

        def hidden(row: Tensor) -> dict[str, Tensor]:
            return functional_call(self.module, self.layout.split(row), (x,), {"activations": True})[1]

        return vmap(hidden)(theta)

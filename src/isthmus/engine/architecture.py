"""A plain module made to run on rows: one row, or all rows of a fleet at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from isthmus.engine.layout import Layout
from isthmus.engine.recipe import Recipe
from isthmus.engine.streams import stream
from isthmus.errors import UserError
from isthmus.models.images import Conv2d
from isthmus.models.layers import BatchNorm, Dropout


@dataclass(frozen=True)
class Architecture:
    """A module without values, its layout, its symmetry table and its kernel-regime scale.

    A module whose layers take R networks at once says so (`on_rows`, see models/layers.py); the rows of any other,
    such as one of torchvision's, are computed one by one.

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

    def logits(
        self,
        theta: Tensor,
        x: Tensor,
        anchor: Tensor | None = None,
        keep: Mapping[str, Tensor] | None = None,
        training: bool = False,
    ) -> Tensor:
        """Logits (R, N, C) of rows (R, P) on inputs shared (N, *shape) or each row's own (R, N, *shape).

        anchor: the rows theta_0 (R, P), for a fleet in the kernel regime only. keep: what dropout leaves, name of
        its buffer -> (R, N, ...). training: BatchNorm takes the batch's own statistics, not the row's.
        """
        x = x if x.ndim == len(self.shape) + 2 else x.expand(len(theta), *x.shape)
        out = self._call(theta, x, keep or {}, training, self._forward)
        if self.lazy is None:
            return out
        return self.lazy * (out - self._call(anchor, x, keep or {}, training, self._forward))

    def activations(self, theta: Tensor, x: Tensor, everywhere: bool = False) -> dict[str, Tensor]:
        """Group -> activations (R, N, width) of rows (R, P) on shared inputs (N, *shape).

        Where a group's units answer at many places of an input (pixels, tokens, times), each place is one of N.
        everywhere: of a residual stream, wherever it is read, each one of N, and not only where its stage ends.
        """
        wanted = {"activations": True}
        if everywhere and getattr(self.module, "streams", False):
            wanted["everywhere"] = True

        def hidden(values: dict[str, Tensor], x: Tensor) -> dict[str, Tensor]:
            return functional_call(self.module, values, (x,), wanted)[1]

        found = self._call(theta, x.expand(len(theta), *x.shape), {}, False, hidden)
        return {group: of_group.flatten(1, -2) for group, of_group in found.items()}

    def batch_statistics(self, theta: Tensor, x: Tensor) -> dict[str, Tensor]:
        """Name of a statistic in the row -> its value (R, ...) on one batch of inputs (N, *shape).

        BatchNorm's means and unbiased variances, each behind layers that are normalised by this batch too.
        """
        norms = {name: part for name, part in self.module.named_modules() if isinstance(part, BatchNorm)}

        def observed(values: dict[str, Tensor], x: Tensor) -> dict[str, Tensor]:
            functional_call(self.module, values, (x,))
            means = {f"{name}.running_mean": part.observed[0] for name, part in norms.items()}
            return means | {f"{name}.running_var": part.observed[1] for name, part in norms.items()}

        # Before they observe: to find the shapes is to run the module once.
        _ = self.widest
        for part in norms.values():
            part.observing = True
        try:
            return self._call(theta, x.expand(len(theta), *x.shape), {}, True, observed)
        finally:
            for part in norms.values():
                part.observing, part.observed = False, None

    @cached_property
    def dropouts(self) -> dict[str, tuple[float, tuple[int, ...]]]:
        """Name of each dropout's buffer -> its probability and the shape of what it sees of one example."""
        parts = {
            name: part for name, part in self.module.named_modules() if isinstance(part, Dropout) and part.p > 0
        }
        shapes = self._shapes(parts)
        # A network may hold parts that it never calls, which see nothing.
        return {f"{name}.keep": (parts[name].p, taken) for name, (taken, *_) in shapes.items()}

    @cached_property
    def widest(self) -> int:
        """Floats of the largest tensor that any part of the module takes or gives for one example."""
        parts = dict(self.module.named_modules())
        return max(torch.Size(shape).numel() for shapes in self._shapes(parts).values() for shape in shapes)

    @cached_property
    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name of each part that the module calls -> the shape of what it gives for one example."""
        found = self._shapes(dict(self.module.named_modules()))
        return {name: shapes[-1] for name, shapes in found.items() if shapes}

    def _shapes(self, parts: Mapping[str, nn.Module]) -> dict[str, list[tuple[int, ...]]]:
        """Part's name -> shapes, without N, of the tensors that it takes and gives, found with one example."""
        shapes: dict[str, list[tuple[int, ...]]] = {}

        def note(name: str) -> Callable:
            def hook(part: nn.Module, given: tuple, out: object) -> None:
                shapes[name] = [tuple(value.shape[1:]) for value in (*given, out) if isinstance(value, Tensor)]

            return hook

        hooks = [part.register_forward_hook(note(name)) for name, part in parts.items()]
        row = self.layout.split(torch.zeros(self.layout.size))
        with torch.no_grad():
            training = self.module.training
            functional_call(self.module.eval(), row, (torch.zeros(1, *self.shape),))
            self.module.train(training)
        for hook in hooks:
            hook.remove()
        return shapes

    def rows_at_once(self, examples: int, device: str = "cpu") -> int:
        """How many rows are best computed together, with so many examples each: as many as a core's cache holds, or
        many more on a GPU.
        """
        if self.one_by_one(examples, device):
            return 1
        return max(1, _BLOCK[device] // max(self.layout.size, self.widest * examples))

    def one_by_one(self, examples: int, device: str = "cpu") -> bool:
        """Whether each row is computed as a plain network of its own; follows from shapes, and the kind of device,
        alone.

        Products of small networks fill a core only when many are stacked. Convolutions of larger images fill it
        alone, and PyTorch's grouped ones, which would stack them, are slower (benchmarks/README.md).
        """
        return not self.stacks or (self.convolves and self.widest * examples > _FILLS[device])

    @property
    def stacks(self) -> bool:
        """Whether the module's layers take several networks at once (models/layers.py)."""
        return getattr(self.module, "on_rows", False)

    @cached_property
    def convolves(self) -> bool:
        """Whether the module has convolutions."""
        return any(isinstance(part, Conv2d) for part in self.module.modules())

    def _forward(self, values: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(self.module, values, (x,))

    def _call(
        self, theta: Tensor, x: Tensor, keep: Mapping[str, Tensor], training: bool, function: Callable
    ) -> Any:
        """What function(values, x) gives for the module with these values, for all rows: at once, or one by one."""
        self.module.train(training)
        values = {**self.layout.split(theta), **keep}
        if not self.one_by_one(x.shape[1], x.device.type):
            return function(aligned(values), x)
        rows = range(len(theta))
        found = [function(aligned({name: v[row] for name, v in values.items()}), x[row]) for row in rows]
        if isinstance(found[0], Tensor):
            return torch.stack(found)
        return {name: torch.stack([of_row[name] for of_row in found]) for name in found[0]}


def aligned(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors themselves, or, on a GPU, copies: its kernels read sixteen bytes at a time, and a parameter may
    begin anywhere in its row.
    """
    on_cpu = all(value.device.type == "cpu" for value in values.values())
    return values if on_cpu else {name: value.clone() for name, value in values.items()}


# Floats of parameters, or of the widest layer's activations, of rows that are computed together: 4 MB, which stay
# in a core's cache, and 256 MB.
_BLOCK = {"cpu": 1 << 20, "cuda": 1 << 26}

# Floats of the widest layer's activations from which a network's convolutions keep a core busy by themselves, or a
# good part of a GPU.
_FILLS = {"cpu": 1 << 17, "cuda": 1 << 20}

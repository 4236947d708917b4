"""Two networks of your own, aligned: B's units put in the order of A's, and the barrier before and after.

    pair = Pair(model_a, model_b, inputs, labels)
    matched = pair.match()
    matched.barrier_before, matched.barrier_after, matched.model_b

The symmetry table that this takes is found from the module's own operations (symmetry/trace.py).
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import torch
from torch import Tensor, nn

from isthmus.connectivity.barrier import Line, barrier
from isthmus.engine.architecture import Architecture
from isthmus.engine.layout import Layout
from isthmus.own import Own, write
from isthmus.symmetry import table
from isthmus.symmetry.activations import activation_matching
from isthmus.symmetry.matching import weight_matching
from isthmus.symmetry.trace import Traced, traced

# Examples that the module is traced with: more than one, so that their axis is not taken for one that can go.
_EXAMPLES = 3


@dataclass(frozen=True)
class Matched:
    """What came of a match.

    model_b: a new module, B with its units in A's order: the same function. perms: group -> order (n,) of B's.
    before, after: mean losses (T,) in nats and 0-1 errors (T,) at alphas (T,) from A to B as it was, and as it is.
    """

    model_b: nn.Module
    perms: dict[str, Tensor]
    before: Line
    after: Line

    @property
    def barrier_before(self) -> float:
        """The loss barrier from A to B as it was, in nats."""
        return barrier(self.before.losses, self.before.alphas).item()

    @property
    def barrier_after(self) -> float:
        """The loss barrier from A to B in A's order, in nats."""
        return barrier(self.after.losses, self.after.alphas).item()


class Pair:
    """Two classifiers of one architecture, and the examples that they are compared on; neither is ever changed.

    axes: the symmetry table. fixed: layer -> why its units stay in their order, where the table was traced.
    """

    def __init__(
        self,
        model_a: nn.Module | Mapping[str, Tensor],
        model_b: nn.Module | Mapping[str, Tensor],
        inputs: Tensor,
        labels: Tensor,
        axes: table.Axes | None = None,
        points: int = 25,
        batch: int = 250,
    ) -> None:
        """inputs (N, ...), as the networks take them; labels (N,), integers.

        A network may be given as its state dict if the other is a module. axes: the symmetry table, where the
        module's code cannot be traced: parameter name -> group or None for each axis; what it leaves out has none.
        points: evenly spaced from A to B. batch: examples that go through a network at once, in eval mode; at every
        point BatchNorm's statistics are averages over such batches of the inputs.

        ValueError where the two are of different architectures, labels are no classes, no unit can be moved (with
        the reasons), or moving units by the table changes the network.
        """
        modules = [model for model in (model_a, model_b) if isinstance(model, nn.Module)]
        if not modules:
            raise ValueError("wanted a module, and a second one or its state dict; found two state dicts")
        # B itself where it is a module: what a row does not hold, counters and the like, is then its own.
        self._model = modules[-1]
        self._own = Own(self._model, batch)
        self._a, self._b = self._own.row(model_a), self._own.row(model_b)
        self._inputs, self._labels, self._points = inputs, labels, points
        self._classes = self._counted()
        self._traced = self._trace() if axes is None else None
        self.fixed = self._traced.fixed if self._traced else {}
        self.axes = self._traced.axes if self._traced else self._completed(axes)
        self._check_symmetry()

    def match(self, by: str = "weights", restarts: int = 3, seed: int = 0) -> Matched:
        """B's units put in A's order, and the lines from A to B before and after.

        by: `weights` (Ainsworth et al. 2022, algorithm 1, from one pass by incoming weights and from `restarts`
        random starts; BatchNorm's scales and shifts count, its statistics do not), or `activations` (each group
        alone, by the correlation of its units on the inputs: Jordan et al. 2022). ValueError for another word, and
        where weights cannot decide: a parameter that has one group on two axes.
        """
        if by not in ("weights", "activations"):
            raise ValueError(f"wanted to match by weights or by activations, found {by!r}")
        perms = self._by_weights(restarts, seed) if by == "weights" else self._by_activations()
        moved = table.permute(self._own.layout, self.axes, perms, self._b)
        model_b = deepcopy(self._model)
        write(model_b, self._own.layout, moved)
        return Matched(model_b, {group: p[0] for group, p in perms.items()}, self.before, self._line(moved))

    @cached_property
    def before(self) -> Line:
        """The line from A to B as they were given."""
        return self._line(self._b)

    def _line(self, theta_b: Tensor) -> Line:
        alphas = torch.linspace(0, 1, self._points, dtype=torch.float64)
        rows = (torch.lerp(self._a, theta_b, alpha) for alpha in alphas.tolist())
        found = [self._own.evaluate(row, self._inputs, self._labels) for row in rows]
        losses, errors = torch.tensor(found, dtype=torch.float64).T
        return Line(losses, errors, alphas)

    def _by_weights(self, restarts: int, seed: int) -> table.Perms:
        # The parameters alone: statistics are estimated again wherever networks are averaged.
        whole = self._own.layout
        layout = Layout(whole.parameters, whole.trained, whole.trained)
        axes = {name: self.axes[name] for name in layout.slots}
        twice = [name for name, groups in axes.items() if len(filled := [*filter(None, groups)]) > len({*filled})]
        if twice:
            wanted = "no group on two axes of one parameter (match by activations instead)"
            raise ValueError(f"weights: wanted {wanted}, found {', '.join(twice)}")
        a, b = (row[:, : layout.size] for row in (self._a, self._b))
        # From the identity, ascent begins at layers whose neighbours are in no order yet, and stays near what it
        # finds there. After one pass from the inputs on it ends clearly higher (benchmarks/README.md).
        forward = weight_matching(layout, axes, a, b, "naive").perms
        return weight_matching(layout, axes, a, b, restarts=restarts, seed=seed, start=forward).perms

    def _by_activations(self) -> table.Perms:
        if self._traced is None or not self._inputs.is_floating_point():
            wanted = "a module that can be traced (no axes=...) and inputs of floats"
            raise ValueError(f"activations: wanted {wanted}, found inputs of {self._inputs.dtype}")
        module = self._traced.with_activations()
        layout, shape = Layout.of(module), tuple(self._inputs.shape[1:])
        # Of no family, since values come from rows alone.
        architecture = Architecture(module, ModuleType("own"), {}, layout, {}, shape, self._classes)
        parts = (self._own.layout.split(row.to(self._inputs.dtype)) for row in (self._a, self._b))
        return activation_matching(architecture, *map(layout.join, parts), self._inputs, "pearson")

    def _counted(self) -> int:
        """The number of classes, once inputs and labels are seen to fit each other and the network."""
        inputs, labels = self._inputs, self._labels
        if len(inputs) == 0 or labels.shape != (len(inputs),) or labels.is_floating_point():
            wanted = f"an integer label for each of {len(inputs)} inputs, at least one"
            raise ValueError(f"wanted {wanted}, found {labels.dtype} of shape {tuple(labels.shape)}")
        out = self._own.outputs(self._a, inputs[:_EXAMPLES])
        if not isinstance(out, Tensor) or out.ndim != 2:
            found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise ValueError(f"wanted a classifier, with outputs of shape (examples, classes), found {found}")
        low, high = labels.min().item(), labels.max().item()
        if low < 0 or high >= out.shape[1]:
            raise ValueError(f"wanted labels from 0 to {out.shape[1] - 1}, found {low} to {high}")
        return out.shape[1]

    def _trace(self) -> Traced:
        try:
            found = traced(self._own.module, self._inputs[:_EXAMPLES])
        except ValueError as error:
            raise ValueError(f"{error}; a symmetry table of your own can be given as axes=...") from error
        if not any(group for groups in found.axes.values() for group in groups):
            reasons = "".join(f"\n  {layer}: {reason}" for layer, reason in found.fixed.items())
            raise ValueError(f"wanted units that can be put in another order, found none:{reasons}")
        return found

    def _completed(self, axes: table.Axes) -> table.Axes:
        """The user's table, with None for what it leaves out."""
        slots = self._own.layout.slots
        for name, groups in axes.items():
            if name not in slots:
                raise ValueError(f"axes: wanted names of parameters, {', '.join(slots)}, found {name!r}")
            if len(groups) != len(slots[name].shape):
                raise ValueError(
                    f"axes: wanted {len(slots[name].shape)} groups or None for {name!r}, found {groups}"
                )
        return {name: tuple(axes.get(name, (None,) * len(slot.shape))) for name, slot in slots.items()}

    def _check_symmetry(self) -> None:
        """That units moved by the table leave the function, tried with a random order of A's."""
        perms = table.random(table.group_sizes(self._own.layout, self.axes), [0])
        moved = table.permute(self._own.layout, self.axes, perms, self._a)
        inputs = self._inputs[: self._own.batch]
        wanted, found = (self._own.outputs(row, inputs) for row in (self._a, moved))
        away, size = (found - wanted).abs().max(), wanted.abs().max()
        # Far above rounding, which is some eps, and far below what units in wrong places do.
        if away > 10 * torch.finfo(wanted.dtype).eps ** 0.5 * size:
            raise ValueError(f"axes: moving units by this table changes outputs of {size:.3g} by {away:.3g}")

"""The symmetry table of any module, found by running it once and following every axis of every parameter.

torch.fx gives the module's operations; each has a rule (known.py) that says which axes carry the same units
and which units must stay. What has no rule stays, so a table may be smaller than it could be, but not wrong.
"""

import inspect
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from isthmus.models.roles import state
from isthmus.symmetry import known, operations
from isthmus.symmetry.table import Axes
from isthmus.symmetry.units import Cell, Seen, Units


@dataclass(frozen=True)
class Traced:
    """What a module's operations say of its units.

    axes: the symmetry table: name in the row -> for each axis, the group whose permutation acts on it, or None. A
    group has the name of the first layer that makes its units.
    fixed: layer -> why the units that it makes must stay in their order.
    graph: the module's operations. shown: group -> the last operation that gives its units, pools and views aside,
    and the axis that they are on there.
    """

    axes: Axes
    fixed: dict[str, str]
    graph: fx.GraphModule
    shown: dict[str, tuple[str, int]]

    def with_activations(self) -> fx.GraphModule:
        """The module as a function of inputs x (N, ...) to its output and group -> activations (N, ..., width).

        It takes `activations=True` beside x and shares the traced copy's parameters, as `Architecture` wants it.
        """
        graph, copies = fx.Graph(), {}
        output = graph.graph_copy(self.graph.graph, copies)
        inputs = [node for node in graph.nodes if node.op == "placeholder"]
        with graph.inserting_after(inputs[-1]):
            graph.placeholder("activations", default_value=True)
        places = {node.name: copy for node, copy in copies.items()}
        hidden = {
            group: graph.call_method("movedim", (places[name], axis, -1))
            for group, (name, axis) in self.shown.items()
        }
        graph.output((output, hidden))
        return fx.GraphModule(self.graph, graph)


def traced(module: nn.Module, example: Tensor) -> Traced:
    """The symmetry table of a module's function in eval mode, found with an example of its inputs (N, ...).

    The module is left as it is. ValueError where torch.fx cannot follow its code.
    """
    copy = deepcopy(module).eval()
    try:
        # Arguments beside the inputs keep their defaults: with proxies, code would take other branches.
        others = list(inspect.signature(copy.forward).parameters.values())[1:]
        defaults = {one.name: one.default for one in others if one.default is not one.empty}
        graph = fx.symbolic_trace(copy, concrete_args=defaults or None)
    except Exception as error:  # whatever the module's own code raises when it meets a proxy
        raise ValueError(f"torch.fx cannot trace {type(module).__name__}: {error}") from error
    follower = _Follower(graph, copy)
    with torch.no_grad():
        follower.run(example)
    return follower.result()


# Results that are no tensors and do not depend on the values in any.
_SHAPES = (int, float, torch.Size, torch.dtype, torch.device)


class _Follower(fx.Interpreter):
    """Runs the operations, and has the rule of each say what it does to the axes."""

    def __init__(self, graph: fx.GraphModule, module: nn.Module) -> None:
        super().__init__(graph)
        self._graph, self._units = graph, Units()
        self._seen: dict[fx.Node, Seen] = {}
        every = dict(module.named_parameters(remove_duplicate=False))
        every |= dict(module.named_buffers(remove_duplicate=False))
        self._named = {name: every[name] for name in state(module)}
        # By identity, so that layers that share a parameter share its axes.
        self._own = {
            id(value): Seen(tuple(value.shape), tuple(self._units.new() for _ in value.shape))
            for value in self._named.values()
        }

    def run_node(self, node: fx.Node) -> Any:
        """The operation's result; on the way its axes are tied, fixed and noted."""
        given = operations.flat(self.fetch_args_kwargs_from_env(node))
        versions = [value._version for value in given if isinstance(value, Tensor)]
        result = super().run_node(node)
        untouched = versions == [value._version for value in given if isinstance(value, Tensor)]
        self._units.where = str(node.target) if node.op == "call_module" else node.name
        arguments = fx.node.map_arg((node.args, node.kwargs), self._argument)
        if node.op == "output":
            operations.fix(self._units, arguments, "they are the network's output")
        elif isinstance(result, Tensor):
            pairs = zip(given, operations.flat(arguments), strict=True)
            same = [one for value, one in pairs if untouched and value is result and isinstance(one, Seen)]
            # What is given back as it came, by what acts in training only, needs no rule.
            found = same[0] if same else Seen(tuple(result.shape), self._cells(node, result, *arguments))
            self._seen[node] = found
        elif node.op.startswith("call") and not isinstance(result, _SHAPES):
            self._unknown(node, (), *arguments)
        return result

    def _argument(self, node: fx.Node) -> Any:
        """What rules see of an operation's result: of several tensors nothing is known."""
        return self._seen[node] if node in self._seen else fx.node.map_aggregate(self.env[node], self._parameter)

    def _cells(self, node: fx.Node, result: Tensor, args: tuple, named: dict) -> tuple[Cell, ...]:
        """The cells of an operation's result, by its rule if it has one that takes such arguments."""
        shape, rule = tuple(result.shape), None
        match node.op:
            case "placeholder":
                return (None,) * len(shape)
            case "get_attr":
                return self._parameter(result).cells
            case "call_function":
                rule = known.FUNCTIONS.get(node.target)
            case "call_method":
                rule = known.METHODS.get(node.target)
            case "call_module":
                layer = self.fetch_attr(node.target)
                rule, own = known.layer(layer)
                named = named | {name: self._parameter(getattr(layer, name)) for name in own}
        if rule is None or not _takes(rule, self._units, shape, *args, **named):
            return self._unknown(node, shape, args, named)
        return rule(self._units, shape, *args, **named)

    def _unknown(self, node: fx.Node, shape: tuple[int, ...], args: tuple, named: dict) -> tuple[Cell, ...]:
        """Fix all that goes into an operation, and a layer's own parameters."""
        values = self.fetch_attr(node.target).parameters() if node.op == "call_module" else ()
        return operations.unknown(self._units, shape, args, named, [self._parameter(value) for value in values])

    def _parameter(self, value: Any) -> Any:
        """A tensor as rules see it, with its own axes if it is a parameter or a statistic; other values as is."""
        if not isinstance(value, Tensor):
            return value
        return self._own.get(id(value), Seen(tuple(value.shape), (None,) * value.ndim))

    def result(self) -> Traced:
        """The table, once all operations have run."""
        units = self._units
        groups: dict[int, str] = {}
        fixed: dict[str, str] = {}
        shown: dict[str, tuple[str, int]] = {}
        for node, seen in self._seen.items():
            if not node.op.startswith("call"):
                continue
            layer = str(node.target) if node.op == "call_module" else node.name
            before = [self._seen[one] for one in node.all_input_nodes if one in self._seen and one.op != "get_attr"]
            for axis, cell in enumerate(seen.cells):
                if cell is None or seen.shape[axis] == 1:
                    continue
                root = units.root(cell)
                carriers = [one.shape for one in before if root in map(units.root, filter(_is_cell, one.cells))]
                if (why := units.why(cell)) is not None:
                    if not carriers:
                        fixed.setdefault(layer, why)
                    continue
                groups.setdefault(root, layer if layer not in groups.values() else f"{layer}[{axis}]")
                if len(seen.shape) > 1 and (not carriers or seen.shape in carriers):
                    shown[groups[root]] = (node.name, axis)
        axes = {
            name: tuple(groups.get(units.root(cell)) for cell in self._own[id(self._named[name])].cells)
            for name in self._named
        }
        return Traced(axes, fixed, self._graph, shown)


def _takes(rule: operations.Rule, *args: Any, **named: Any) -> bool:
    """Whether a rule knows an operation's arguments."""
    try:
        inspect.signature(rule).bind(*args, **named)
    except TypeError:
        return False
    return True


def _is_cell(cell: Cell) -> bool:
    return cell is not None

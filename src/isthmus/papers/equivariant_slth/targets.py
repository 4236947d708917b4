"""The targets: networks of each architecture, trained, on images of a run's data or on drawn sets and graphs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isthmus.engine.fleet import Fleet
from isthmus.equivariant import architectures, synthetic
from isthmus.equivariant.architectures import Case
from isthmus.equivariant.training import Plan, fit

Plans = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """R trained networks of one architecture: rows theta (R, P) by seed; what they see of the test part, x (N, p,
    *field) and y (N,)."""

    name: str
    case: Case
    theta: Tensor
    seeds: Sequence[int]
    x: Tensor
    y: Tensor


def case_of(name: str, plan: Plans, shape: Sequence[int], classes: int) -> Case:
    """The architecture of this name; shape: of an image, where it sees images."""
    match name:
        case "sets":
            return architectures.sets(plan["elements"], 2, plan["channels"], classes)
        case "graphs":
            return architectures.graphs(plan["elements"], plan["channels"], classes)
    return getattr(architectures, name)(shape, plan["channels"], classes)


def trained(name: str, plan: Plans, fleet: Fleet, advance: Callable[[], None]) -> Target:
    """Targets with the seeds of the fleet, whose own networks are those of the architecture `dense`.

    plan: channels, epochs, batch and lr; elements, train and test of what is drawn. advance: called each epoch.
    """
    seeds = list(dict.fromkeys(network.seed for network in fleet.networks))
    if name == "dense":
        return _plain(fleet, seeds)
    train, test, classes = _data(name, plan, fleet, seeds[0])
    case = case_of(name, plan, fleet.data.shape, classes)
    how = Plan("adam", plan["lr"], plan["epochs"], plan["batch"], {})
    x, y = case.see(train[0]), train[1]
    theta = fit(case.network.logits, case.network.initial(seeds), x, y, seeds, how, advance)
    return Target(name, case, theta, seeds, case.see(test[0]), test[1])


def _plain(fleet: Fleet, seeds: Sequence[int]) -> Target:
    """The fleet's networks, whose biases are held at zero, as coefficients."""
    layout = fleet.architecture.layout
    weights = {name: slot for name, slot in layout.parameters.items() if name.endswith("weight")}
    case = architectures.dense(
        fleet.data.shape, [slot.shape[0] for slot in weights.values()][:-1], fleet.data.classes
    )
    theta = torch.cat([fleet.final[:, slot.start : slot.stop] for slot in weights.values()], dim=1)
    return Target("dense", case, theta, seeds, case.see(fleet.data.inputs["test"]), fleet.data.labels["test"])


def _data(
    name: str, plan: Plans, fleet: Fleet, seed: int
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], int]:
    """Training part, test part (inputs and labels each) and number of classes."""
    if name in ("sets", "graphs"):
        draw = synthetic.point_sets if name == "sets" else synthetic.triangle_graphs
        train, test = (draw(seed, part, plan[part], plan["elements"]) for part in ("train", "test"))
        return train, test, 2
    parts = ((fleet.data.inputs[part], fleet.data.labels[part]) for part in ("train", "test"))
    return *parts, fleet.data.classes

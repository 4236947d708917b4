"""The scores of a fleet's runs, by name, each pointing the same way (larger is harder): from recorded logits, from
gradients and representations of kept networks, and from several runs together."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from isthmus.difficulty import ensemble, gradients, pointwise, representation
from isthmus.difficulty.trajectory import SCORES, Trajectory
from isthmus.engine import probes
from isthmus.engine.batches import held_out
from isthmus.engine.fleet import Fleet

Array = np.ndarray

# EL2N (Paul et al. 2021) is meant early in training; over all of it, it is `mean_el2n`.
EARLY = "early_el2n"


def recorded(fleet: Fleet) -> tuple[int, ...]:
    """The updates after which logits were recorded, rising."""
    return next(probe.at for probe in fleet.recipe.probes if probe.name == "logits")


def labels_of(fleet: Fleet) -> Array:
    """Labels (N,) of the examples whose logits were recorded."""
    count = fleet.probe("logits", recorded(fleet)[-1]).shape[1]
    return fleet.data.labels["train"][:count].numpy()


def from_logits(
    fleet: Fleet, names: Sequence[str], early: int, steps: Sequence[int], rows: int
) -> dict[str, Array]:
    """Scores (rows, N) of a fleet's first rows by these names of SCORES, or EARLY, which is EL2N after `early`
    updates; the others see the logits recorded at `steps`."""
    labels, found = labels_of(fleet), {name: [] for name in names}
    at = [fleet.probe("logits", step) for step in steps]
    for row in range(rows):
        run = Trajectory(torch.stack([logits[row] for logits in at]).numpy(), labels)
        for name in names:
            if name == EARLY:
                found[name].append(pointwise.el2n(fleet.probe("logits", early)[row].numpy(), labels))
            else:
                found[name].append(SCORES[name](run))
    return {name: np.stack(values) for name, values in found.items()}


def from_networks(
    fleet: Fleet, early: int, neighbours: int, clusters: int, rows: int
) -> Iterator[dict[str, Array]]:
    """Scores (N,) of each of the fleet's first rows: GraNd after `early` updates, VoG over its checkpoints, and
    what the layers at the end make of the examples."""
    labels = labels_of(fleet)
    x, y = (part["train"][: len(labels)] for part in (fleet.data.inputs, fleet.data.labels))
    for row in range(rows):
        theta = {step: rows_at[[row]] for step, rows_at in fleet.thetas.items()}
        view = probes.View(fleet.architecture, theta[early], x, y, fleet.recipe.loss, None)
        yield {
            "grand": probes.take("gradient_norm", view)["gradient_norm"][0].numpy(),
            "class_vog": _vog(fleet, theta, x, y, "probability"),
            "loss_vog": _vog(fleet, theta, x, y, "loss"),
            **_in_layers(fleet, theta[fleet.recipe.steps], x, labels, neighbours, clusters),
        }


def of_runs(fleet: Fleet, rows: slice) -> Array:
    """Disagreement (N,) of these rows as they end: Jensen-Shannon divergence over pairs, nats."""
    return ensemble.agreement(pointwise.probabilities(fleet.probe("logits", fleet.recipe.steps)[rows].numpy()))


def of_held_out(fleet: Fleet, rows: slice) -> dict[str, Array]:
    """C-score, sign changed, and memorisation (N,) by these rows, each of which held out its own examples; NaN
    where none did."""
    logits, labels = fleet.probe("logits", fleet.recipe.steps)[rows].numpy(), labels_of(fleet)
    whole, share = len(fleet.data.labels["train"]), fleet.recipe.held_out
    held = np.stack([held_out(network.seed, whole, share)[: len(labels)] for network in fleet.networks[rows]])
    correct = pointwise.accuracy(logits, labels) == 1
    return {"c_score": -ensemble.c_score(correct, held), "memorisation": ensemble.memorisation(correct, held)}


def _vog(fleet: Fleet, theta: Mapping[int, Tensor], x: Tensor, y: Tensor, of: gradients.Of) -> Array:
    """Variance of gradients (N,) of one row over its checkpoints (the authors' form)."""
    found = [gradients.pixel_gradients(fleet.architecture, row, x, y, of)[0] for row in theta.values()]
    # An image is (channels, height, width), a signal has one channel.
    channels = x.shape[1] if x.ndim == 4 else 1
    pixels = torch.stack(found).reshape(len(found), len(x), channels, -1)
    return gradients.variance_of_gradients(pixels.numpy())


def _in_layers(
    fleet: Fleet, theta: Tensor, x: Tensor, labels: Array, neighbours: int, clusters: int
) -> dict[str, Array]:
    """Prediction depth, by true labels and with the probabilities as last layer, and distances in the last hidden
    layer (in the inputs where there is none). Channels are averaged over the places of an image."""
    view = probes.View(fleet.architecture, theta, x, torch.from_numpy(labels), fleet.recipe.loss, None)
    hidden = [
        group[0].unflatten(0, (len(x), -1)).mean(1).numpy() for group in probes.take("activations", view).values()
    ]
    inputs = x.flatten(1).numpy()
    outputs = pointwise.probabilities(probes.take("logits", view)["logits"][0].numpy())
    layers = [inputs, *hidden, outputs]
    matches = np.stack([representation.neighbour_labels(layer, labels, neighbours) == labels for layer in layers])
    last = layers[-2]
    return {
        "depth": representation.prediction_depth(matches).astype(float),
        "prototype": representation.prototype_distance(last, labels),
        "cluster": representation.cluster_distance(last, clusters),
    }

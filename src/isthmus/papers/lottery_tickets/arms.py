"""Which arm of the papers' experiments a network is, and whose mask it wears."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from isthmus.engine.fleet import Fleet
from isthmus.engine.recipe import Network, Recipe
from isthmus.pruning import masks

# Kind of mask -> arm. `same` is the ticket on the network that the mask was found on, `naive` on any other.
_ARMS = {"magnitude": "ticket", "aligned": "permuted", "reordered": "reordered", "shuffled": "shuffled"}


def describe(fleet: Fleet, row: int) -> dict[str, Any]:
    """What a row is: seed, pair, lr, order, arm, rewind, density, kept.

    pair: the seed of the network A that the mask was found on, its own where there is none. arm: dense, ticket,
    naive, permuted, reordered or shuffled. rewind: k as a share of the parent's training, 0 at the initialisation.
    density: the share that was asked for, 1 of a dense network; kept: the share of prunable weights that is left.
    """
    recipe, network = fleet.recipe, fleet.networks[row]
    source = giver(recipe, network)
    return {
        "seed": network.seed,
        "pair": network.seed if source is None else source.seed,
        "lr": network.lr,
        "order": network.order,
        "arm": _arm(network, source),
        "rewind": 0.0 if recipe.branch is None else recipe.branch.at / recipe.branch.parent.steps,
        "density": density(recipe, network),
        "kept": float(kept(fleet)[row]),
    }


def giver(recipe: Recipe, network: Network) -> Network | None:
    """The network whose weights or mask a network's mask comes from."""
    if network.mask is None or network.mask.row is None:
        return None
    return recipe.pruning.giver.networks[network.mask.row]


def density(recipe: Recipe, network: Network) -> float:
    """The share of weights that was asked for in the round that made the network's mask."""
    if network.mask is None:
        return 1.0
    if network.mask.density is not None:
        return network.mask.density
    return density(recipe.pruning.giver, giver(recipe, network))


def kept(fleet: Fleet) -> torch.Tensor:
    """Share (R,) of the prunable weights that are left."""
    spared = () if fleet.recipe.pruning is None else fleet.recipe.pruning.spared
    return masks.density(masks.prunable(fleet.architecture.layout, spared), fleet.mask)


def width(fleet: Fleet) -> int:
    """Units of the first hidden layer, or channels of the first stage."""
    settings: Mapping[str, Any] = fleet.recipe.model.settings
    return settings["widths"][0] if "widths" in settings else settings["width"]


def judged(fleet: Fleet) -> list[int]:
    """Rows at the lowest peak rate with their seed's own data order: masks are of these, and compared by them."""
    least = min(network.lr for network in fleet.networks)
    return [row for row, one in enumerate(fleet.networks) if one.lr == least and one.order == 0]


def copies(fleet: Fleet) -> list[tuple[int, int]]:
    """(row, other row): networks that differ by the order of their data alone; the other has its seed's own."""
    own = {replace(one, order=0): row for row, one in enumerate(fleet.networks) if one.order == 0}
    return [(row, own[replace(one, order=0)]) for row, one in enumerate(fleet.networks) if one.order != 0]


def _arm(network: Network, source: Network | None) -> str:
    if network.mask is None:
        return "dense"
    if network.mask.kind == "same":
        return "ticket" if source.seed == network.seed else "naive"
    return _ARMS[network.mask.kind]

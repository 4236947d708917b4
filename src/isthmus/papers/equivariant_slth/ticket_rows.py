"""From targets to rows of the table `pruned`: accuracy, coefficient errors, invariance of each network."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from isthmus.equivariant import tickets
from isthmus.equivariant.equivariance import invariance_error, relative
from isthmus.equivariant.network import Network
from isthmus.equivariant.tickets import Ticket
from isthmus.papers.equivariant_slth.targets import Target

Rows = list[dict[str, Any]]
# Test examples on which the wide network itself is computed; its accuracy is computed folded.
_EXAMPLES = 2
# Test examples whose fields are held at once.
_BATCH = 500


def rows_of(target: Target, settings: Mapping[str, Any], advance: Callable[[], None]) -> Rows:
    """One row per seed for the target, and for each number of samples and pruning (subset, random).

    accuracy: fraction of test examples. answers: a mark for each, + where right and - where wrong, for the target
    and for the numbers of samples in settings.answers. median_error, largest_error, far: of |coefficient - target|,
    with targets scaled to at most 1/2; the share further off than settings.far. density: kept share of the random
    coefficients. width_ratio: middle channels over input channels; parameter_ratio: random coefficients over the
    target's. invariance_error: relative, float64, of the wide network; folded_error: how far it is from its
    folded form, by which accuracies are computed, likewise.
    """
    network, theta = target.case.network, tickets.halved(target.case.network, target.theta)
    rows = [
        {
            "architecture": target.name,
            "seed": seed,
            "pruning": "target",
            "samples": None,
            **answered,
            "answers": given,
        }
        for seed, (answered, given) in zip(target.seeds, _answered(network, theta.float(), target), strict=True)
    ]
    for samples in settings["samples"]:
        for row, seed in enumerate(target.seeds):
            rows += _of_seed(target, theta[row : row + 1], seed, samples, settings)
        advance()
    return rows


def _of_seed(target: Target, theta: Tensor, seed: int, samples: int, settings: Mapping[str, Any]) -> Rows:
    """The rows of one random network: a wide row takes much memory, so they are made one by one."""
    network, rows = target.case.network, []
    group = tickets.group(samples)
    wide = network.doubled(group)
    random = tickets.random_rows(wide, [seed], target.name, samples)
    solved = tickets.pruned(network, theta, wide, random, samples)
    drawn = tickets.shuffled(network, theta, wide, random, samples, solved, [seed])
    for pruning, ticket in (("subset", solved), ("random", drawn)):
        ((answered, given),) = _answered(network, ticket.reached.float(), target)
        rows.append(
            {
                "architecture": target.name,
                "seed": seed,
                "pruning": pruning,
                "samples": samples,
                **answered,
                "answers": given if samples in settings["answers"] else None,
                "median_error": float(ticket.errors.median()),
                "largest_error": float(ticket.errors.max()),
                "far": float((ticket.errors > settings["far"]).double().mean()),
                "density": float(ticket.mask.double().mean()),
                "width_ratio": group,
                "parameter_ratio": wide.size / network.size,
                **_wide(target, wide, random * ticket.mask, ticket),
            }
        )
    return rows


def _wide(target: Target, wide: Network, rows: Tensor, ticket: Ticket) -> dict[str, float]:
    """What is measured on the masked wide network itself, rows (1, P2)."""
    x = target.x[:_EXAMPLES].double()
    plain, folded = wide(rows, x), tickets.folded(target.case.network, ticket.reached, x)
    return {
        "invariance_error": float(invariance_error(wide, rows, x, target.case.moves)),
        "folded_error": float(relative(plain - folded, plain.abs().flatten(1).amax(1))),
    }


def _answered(network: Network, rows: Tensor, target: Target) -> Iterator[tuple[dict[str, float], str]]:
    """Accuracy and marks of each row: targets' (R, P), or what tickets reach (R, 2, P)."""
    parts = []
    for x in target.x.split(_BATCH):
        out = network(rows, x) if rows.ndim == 2 else tickets.folded(network, rows, x)
        parts.append(out.flatten(2).argmax(2))
    right = torch.cat(parts, dim=1) == target.y
    for row in right:
        yield {"accuracy": float(row.double().mean())}, marks(row)


def marks(right: Tensor) -> str:
    """A letter for each answer (N,): + where it is right, - where it is wrong."""
    return "".join("+" if one else "-" for one in right.tolist())

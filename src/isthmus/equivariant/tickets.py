"""The construction behind the theorem: a random network of twice the depth, pruned until it computes a target.

For each input channel p of a target layer the random network has a group of middle channels. Of channel j only the
identity coefficient lambda'_j from p is kept: it carries |lambda'_j| relu(sign(lambda'_j) x_p). As x = relu(x) -
relu(-x), each target coefficient is then two subset sums of products mu lambda', one over the channels of each sign
(Ferbach et al. 2023, after Pensia et al. 2020).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.engine.streams import stream
from isthmus.equivariant.network import Network
from isthmus.equivariant.subset_sums import nearest

# Samples (R, ..., m), targets (R, ...), which samples there are, and which of them another ticket adds, or None
# -> which to add (R, ..., m).
Choice: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Ticket:
    """What pruning R random networks to R targets of P coefficients comes to.

    mask: bool (R, P2), the kept coefficients of the random rows. reached: float64 (R, 2, P), what the kept ones of
    each sign add up to for each target coefficient, positive channels first. errors: the same minus the target,
    absolute.
    """

    mask: Tensor
    reached: Tensor
    errors: Tensor


def group(samples: int) -> int:
    """Middle channels for each input, so many that few groups lack `samples` of either sign."""
    return 2 * samples + 2 * ceil(sqrt(2 * samples))


def random_rows(network: Network, seeds: Sequence[int], *purpose: str | int) -> Tensor:
    """Rows (R, P), float64, uniform on [-1, 1]; row r depends on seeds[r] and the purpose alone."""
    drawn = [stream(seed, "random network", *purpose).uniform(-1, 1, network.size) for seed in seeds]
    return torch.stack([torch.from_numpy(row) for row in drawn])


def halved(network: Network, theta: Tensor) -> Tensor:
    """Rows (R, P), float64, of the same functions up to a positive factor, with coefficients of at most 1/2.

    Each layer is divided by twice its largest coefficient; ReLU networks without biases let the factors through.
    Sums of random samples reach every target within 1/2 (Lueker 1998).
    """
    layers = [
        layer / (2 * layer.abs().amax(dim=(1, 2, 3), keepdim=True)) for layer in network.split(theta.double())
    ]
    return torch.cat([layer.flatten(1) for layer in layers], dim=1)


def pruned(network: Network, targets: Tensor, wide: Network, random: Tensor, samples: int) -> Ticket:
    """The random rows (R, P2) of the doubled network pruned to targets (R, P), with `samples` a problem and sign.

    A group with fewer channels of a sign makes do with those; surplus channels are pruned.
    """

    def solved(values: Tensor, wanted: Tensor, there: Tensor, given: None) -> Tensor:
        return nearest(values, wanted)[0]

    return _ticket(network, targets, wide, random, samples, solved)


def shuffled(
    network: Network,
    targets: Tensor,
    wide: Network,
    random: Tensor,
    samples: int,
    like: Ticket,
    seeds: Sequence[int],
) -> Ticket:
    """A control: subsets of the same sizes as those of a ticket, drawn at random among the same samples."""
    generators = [stream(seed, "random subsets", samples) for seed in seeds]

    def drawn(values: Tensor, wanted: Tensor, there: Tensor, given: Tensor) -> Tensor:
        keys = torch.stack([torch.from_numpy(rng.random(values.shape[1:])) for rng in generators])
        # Samples that there are not come last.
        return (keys + 2.0 * ~there).argsort(-1).argsort(-1) < given.sum(-1, keepdim=True)

    return _ticket(network, targets, wide, random, samples, drawn, like)


def _ticket(
    network: Network,
    targets: Tensor,
    wide: Network,
    random: Tensor,
    samples: int,
    choose: Choice,
    like: Ticket | None = None,
) -> Ticket:
    masks, reached = [], []
    inner, given = wide.split(random), None if like is None else wide.split(like.mask)
    for place, wanted in enumerate(network.split(targets.double())):
        pair = inner[2 * place : 2 * place + 2]
        identity = wide.layers[2 * place].basis.identity
        of_layer = _layer(wanted, *pair, identity, samples, choose, given and given[2 * place + 1])
        masks += [mask.flatten(1) for mask in of_layer[:2]]
        reached.append(of_layer[2].flatten(2))
    joined = torch.cat(reached, dim=2)
    return Ticket(torch.cat(masks, dim=1), joined, (joined - targets.double()[:, None]).abs())


def _layer(
    wanted: Tensor,
    first: Tensor,
    second: Tensor,
    identity: int,
    samples: int,
    choose: Choice,
    given: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Masks of both random layers, shaped as `first` and `second`, and what is reached (R, 2, q, p, K).

    given: what another ticket keeps of `second`.
    """
    rows, outputs, inputs, elements = wanted.shape
    # Middle channels by the input that they serve: (R, p, group).
    served = first[..., identity].unflatten(1, (inputs, -1)).diagonal(dim1=1, dim2=3).transpose(1, 2)
    mu = _grouped(second, inputs)
    given = None if given is None else _grouped(given, inputs)
    first_mask = torch.zeros_like(served, dtype=torch.bool)
    second_mask, reached = torch.zeros_like(mu, dtype=torch.bool), []
    for sign in (1.0, -1.0):
        # The first so many channels of this sign; where there are fewer, others fill the places and count nothing.
        order = (sign * served <= 0).to(torch.int8).argsort(dim=2, stable=True)[..., :samples]
        valid = sign * served.gather(2, order) > 0
        first_mask.scatter_(2, order, valid | first_mask.gather(2, order))
        places = order[:, None, :, None].expand(rows, outputs, inputs, elements, -1)
        there = valid[:, None, :, None].expand_as(places)
        values = mu.gather(4, places) * served.gather(2, order)[:, None, :, None] * there
        chosen = choose(values, wanted, there, None if given is None else given.gather(4, places) & there) & there
        second_mask.scatter_(4, places, chosen | second_mask.gather(4, places))
        reached.append((values * chosen).sum(-1))
    whole = torch.zeros_like(first, dtype=torch.bool)
    whole[..., identity].unflatten(1, (inputs, -1)).diagonal(dim1=1, dim2=3).copy_(first_mask.transpose(1, 2))
    return whole, second_mask.transpose(3, 4).reshape(second.shape), torch.stack(reached, dim=1)


def _grouped(second: Tensor, inputs: int) -> Tensor:
    """Coefficients (R, q, p group, K) of the second layer as (R, q, p, K, group)."""
    return second.unflatten(2, (inputs, -1)).transpose(3, 4)


def folded(network: Network, reached: Tensor, x: Tensor) -> Tensor:
    """What the pruned networks give on inputs (N, p, *field): fields (R, N, q, *field).

    Middle channels that carry multiples of one relu(+-x_p) are added up first: the same function as the masked wide
    network, at the cost of two target layers a layer. reached: as in Ticket.
    """
    signs = [network.split(part) for part in reached.unbind(1)]
    x = x.expand(len(reached), *x.shape)
    for place, (layer, plus, minus) in enumerate(zip(network.layers, *signs, strict=True)):
        x = x.relu() if place else x
        basis = layer.basis
        x = basis.act(basis.expand(plus), x.relu()) - basis.act(basis.expand(minus), (-x).relu())
    return x

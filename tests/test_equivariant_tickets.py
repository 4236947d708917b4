"""The construction: pruned random networks of twice the depth compute their targets, within the error bound."""

import pytest
import torch

from isthmus.equivariant import architectures, bases, theory, tickets
from isthmus.equivariant.bases import Matrices
from isthmus.equivariant.equivariance import invariance_error
from isthmus.equivariant.network import Layer, Network

SHAPE, SEEDS, SAMPLES = (1, 8, 8), [0, 1], 6
GENERATOR = torch.Generator().manual_seed(0)


def normal(*shape):
    return torch.randn(shape, generator=GENERATOR, dtype=torch.float64)


CASES = {
    "dense": (architectures.dense(SHAPE, [4], 3), normal(5, *SHAPE)),
    "c4": (architectures.c4(SHAPE, [3], 3), normal(5, *SHAPE)),
    "p4": (architectures.p4(SHAPE, [2, 2], 3), normal(5, *SHAPE)),
    "sets": (architectures.sets(6, 2, [3, 3], 2), normal(5, 6, 2)),
    "graphs": (architectures.graphs(4, [2], 2), normal(5, 4, 4)),
}


def ticket_of(name, samples=SAMPLES):
    """An architecture's targets with its wide network, the random rows and the ticket."""
    network = CASES[name][0].network
    targets = tickets.halved(network, tickets.random_rows(network, SEEDS, "target"))
    wide = network.doubled(tickets.group(samples))
    random = tickets.random_rows(wide, SEEDS)
    return network, targets, wide, random, tickets.pruned(network, targets, wide, random, samples)


def one_layer(basis, inputs, outputs):
    return Network((Layer(basis, basis, inputs, outputs),))


def exact_rows(network, wide, targets):
    """Wide rows in which each group has channels of 1/2 and -1/4, and second coefficients that undo them."""
    (wanted,) = network.split(targets)
    rows = torch.zeros(len(targets), wide.size, dtype=torch.float64)
    first, second = wide.split(rows)
    group = first.shape[1] // wanted.shape[2]
    for channel in range(wanted.shape[2]):
        for place, lam in ((0, 0.5), (1, -0.25)):
            first[:, channel * group + place, channel, wide.layers[0].basis.identity] = lam
            second[:, :, channel * group + place] = wanted[:, :, channel] / lam
    return rows


@pytest.mark.parametrize("basis", [bases.trivial(), bases.cyclic(4), bases.sets(5)], ids=["dense", "C4", "sets"])
def test_exact_solutions_compute_the_layer_on_inputs_of_both_signs(basis):
    network = one_layer(basis, 3, 2)
    targets = tickets.random_rows(network, SEEDS) / 2
    wide = network.doubled(2)
    rows, x = exact_rows(network, wide, targets), normal(7, 3, basis.elements.shape[2])
    ticket = tickets.pruned(network, targets, wide, rows, 1)
    assert ticket.errors.max() <= 1e-15
    torch.testing.assert_close(wide(rows * ticket.mask, x), network(targets, x), rtol=1e-12, atol=1e-12)


def test_the_positive_half_alone_computes_the_layer_of_the_positive_part():
    network = one_layer(bases.cyclic(4), 3, 2)
    targets = tickets.random_rows(network, SEEDS) / 2
    wide = network.doubled(2)
    rows, x = exact_rows(network, wide, targets), normal(7, 3, 4)
    halves = tickets.pruned(network, targets, wide, rows, 1).mask
    first, second = wide.split(halves)
    first[:, 1::2] = False
    second[:, :, 1::2] = False
    assert torch.equal(torch.cat([first.flatten(1), second.flatten(1)], dim=1), halves)
    got = wide(rows * halves, x)
    torch.testing.assert_close(got, network(targets, x.relu()), rtol=1e-12, atol=1e-12)
    assert (got - network(targets, x)).abs().max() > 0.1


@pytest.mark.parametrize("name", CASES)
def test_the_masked_wide_network_is_the_folded_one(name):
    case, raw = CASES[name]
    network, _, wide, random, ticket = ticket_of(name)
    x = case.see(raw)
    torch.testing.assert_close(
        wide(random * ticket.mask, x), tickets.folded(network, ticket.reached, x), rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("name", CASES)
def test_every_pruned_network_is_invariant(name):
    case, raw = CASES[name]
    network, targets, wide, random, ticket = ticket_of(name)
    drawn = tickets.shuffled(network, targets, wide, random, SAMPLES, ticket, SEEDS)
    for each in (ticket, drawn):
        assert invariance_error(wide, random * each.mask, case.see(raw), case.moves).max() <= 1e-12


@pytest.mark.parametrize("name", CASES)
def test_more_samples_bring_the_network_nearer_to_its_target(name):
    case, raw = CASES[name]
    x, medians, gaps = case.see(raw), [], []
    for samples in (2, 8, 14):
        network, targets, _, _, ticket = ticket_of(name, samples)
        medians.append(float(ticket.errors.median()))
        wanted = network(targets, x)
        gaps.append(float((tickets.folded(network, ticket.reached, x) - wanted).norm() / wanted.norm()))
    assert medians[0] > 10 * medians[1] > 100 * medians[2]
    assert gaps[0] > gaps[1] > gaps[2]


def test_only_identity_coefficients_of_a_channels_own_input_are_kept_in_the_first_layer():
    _, _, wide, _, ticket = ticket_of("c4")
    first = wide.split(ticket.mask)[0]
    identity, group = wide.layers[0].basis.identity, tickets.group(SAMPLES)
    places = first.nonzero()
    assert (places[:, 3] == identity).all()
    assert torch.equal(places[:, 1] // group, places[:, 2])
    assert (first.sum(dim=(1, 3)) <= 2 * SAMPLES).all()


def test_random_subsets_have_the_sizes_of_the_solved_ones_and_are_others():
    network, targets, wide, random, ticket = ticket_of("sets")
    drawn = tickets.shuffled(network, targets, wide, random, SAMPLES, ticket, SEEDS)
    for mine, other in zip(wide.split(ticket.mask)[1::2], wide.split(drawn.mask)[1::2], strict=True):
        group = tickets.group(SAMPLES)
        # Of each target coefficient, both signs together.
        assert torch.equal(*(mask.unflatten(2, (-1, group)).sum(3) for mask in (mine, other)))
    assert not torch.equal(ticket.mask, drawn.mask)
    assert drawn.errors.median() > 10 * ticket.errors.median()


def test_too_few_channels_of_a_sign_are_made_do_with():
    network = one_layer(bases.trivial(), 1, 1)
    wide = network.doubled(4)
    rows = torch.tensor([[0.5, 0.4, 0.3, 0.2, 1.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    ticket = tickets.pruned(network, torch.tensor([[0.45]]), wide, rows, 3)
    torch.testing.assert_close(ticket.reached, torch.tensor([[[0.4], [0.0]]], dtype=torch.float64))
    assert ticket.mask.tolist() == [[True, True, True, False, False, True, False, False]]


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize(
    "basis",
    [bases.trivial(), bases.cyclic(4), bases.sets(5), bases.tensors(4, 1, 2)],
    ids=["1", "C4", "sets", "2-1"],
)
def test_output_errors_are_within_the_bound_of_coefficient_errors(basis, channels):
    shape, eta = (2, channels, channels, len(basis)), 0.01
    bound = theory.output_bound(eta, channels, channels, theory.basis_norm(basis))
    rays = normal(50, channels * basis.elements.shape[2])
    for errors in (
        eta * (2 * torch.rand(shape, generator=GENERATOR) - 1).double(),
        torch.full(shape, eta).double(),
    ):
        assert 0 < theory.largest_output_error(basis, *errors, rays) <= bound


def test_equal_errors_of_one_channel_reach_the_norm_of_the_basis():
    """Beyond the bound that forgets the norm, and so a mutated bound is seen."""
    errors = torch.full((2, 1, 1, 4), 0.01, dtype=torch.float64)
    found = theory.largest_output_error(bases.cyclic(4), *errors, normal(10, 4))
    assert found == pytest.approx(0.04)
    assert found > theory.output_bound(0.01, 1, 1, 1.0)


def test_an_output_error_is_that_of_the_networks():
    """The difference of two layers with known coefficients, on one ray."""
    basis, ray = Matrices(torch.ones(1, 1, 2, dtype=torch.float64)), torch.tensor([[3.0, -4.0]]).double()
    errors = torch.tensor([0.1, 0.3], dtype=torch.float64).reshape(2, 1, 1, 1)
    found = theory.largest_output_error(basis, *errors, ray)
    # On (-1, -1) / sqrt 2 the negative half gives 0.3 * 2 / sqrt 2.
    assert found == pytest.approx(0.3 * 2**0.5)


def test_the_logarithm_in_the_width():
    assert theory.log_term(10, 10, 4, 2, 0.01) == pytest.approx(11.2898, abs=1e-4)


def test_the_counting_bound():
    # D coefficients, each halving of epsilon costs D more parameters.
    assert theory.least_parameters(12, 0.25) == 11
    assert theory.least_parameters(12, 0.125) - theory.least_parameters(12, 0.25) == 12

"""Networks in basis coefficients: equivariant under every mask on coefficients, and not under masks on weights."""

import pytest
import torch

from isthmus.equivariant import architectures, synthetic
from isthmus.equivariant.equivariance import equivariance_error, invariance_error
from isthmus.equivariant.network import Layer, Network
from isthmus.equivariant.tickets import halved, random_rows

SHAPE, CLASSES, MASKS = (1, 8, 8), 3, 100
GENERATOR = torch.Generator().manual_seed(0)


def normal(*shape):
    return torch.randn(shape, generator=GENERATOR, dtype=torch.float64)


IMAGES = normal(4, *SHAPE)
CASES = {
    "dense": (architectures.dense(SHAPE, [4, 4], CLASSES), IMAGES),
    "c4": (architectures.c4(SHAPE, [4, 4], CLASSES), IMAGES),
    "p4": (architectures.p4(SHAPE, [2, 2], CLASSES), IMAGES),
    "sets": (architectures.sets(6, 2, [4, 4], CLASSES), normal(4, 6, 2)),
    "graphs": (architectures.graphs(5, [2, 2], CLASSES), normal(4, 5, 5)),
}
MOVED = ("c4", "p4", "sets", "graphs")


def hidden_layers(name):
    """Two layers of an architecture's hidden space, and inputs in it."""
    case, _ = CASES[name]
    basis, channels = case.network.layers[-1].within, 3
    space = (4, 8, 8) if name == "p4" else (basis.elements.shape[2],)
    layer = Layer(basis, basis, channels, channels)
    return Network((layer, layer)), normal(4, channels, *space)


@pytest.mark.parametrize("name", MOVED)
def test_any_mask_on_coefficients_keeps_a_network_equivariant(name):
    network, x = hidden_layers(name)
    moves = CASES[name][0].moves
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand((MASKS, network.size), generator=generator) < torch.linspace(0.05, 0.95, MASKS)[:, None]
    for rows in (random_rows(network, range(MASKS)) * masks).split(20):
        assert equivariance_error(network, network.expand(rows), x, moves, moves).max() <= 1e-12


@pytest.mark.parametrize("name", MOVED)
def test_masks_on_raw_weights_do_not(name):
    network, x = hidden_layers(name)
    moves = CASES[name][0].moves
    weights = network.expand(random_rows(network, range(5)))
    masked = [each * (normal(*each.shape) < 0) for each in weights]
    assert equivariance_error(network, masked, x, moves, moves).min() > 1e-2


@pytest.mark.parametrize("name", CASES)
def test_outputs_do_not_change_when_inputs_are_moved(name):
    case, raw = CASES[name]
    theta = random_rows(case.network, [0, 1, 2])
    assert invariance_error(case.network, theta, case.see(raw), case.moves).max() <= 1e-12
    assert (case.network.logits(theta, case.see(raw)).std(dim=1) > 0).any()


@pytest.mark.parametrize(
    ("name", "move"),
    [
        ("c4", lambda x: torch.rot90(x, 1, (-2, -1))),
        ("p4", lambda x: torch.rot90(x, 3, (-2, -1))),
        ("p4", lambda x: x.roll((3, -2), (-2, -1))),
        ("sets", lambda x: x[:, torch.tensor([3, 1, 5, 0, 2, 4])]),
        ("graphs", lambda x: x[:, torch.tensor([3, 1, 0, 4, 2])][:, :, torch.tensor([3, 1, 0, 4, 2])]),
    ],
)
def test_the_group_is_that_of_the_raw_inputs(name, move):
    """What is moved here are images, sets and graphs themselves, not what the network sees of them."""
    case, raw = CASES[name]
    theta = random_rows(case.network, [0, 1])
    torch.testing.assert_close(
        case.network.logits(theta, case.see(move(raw))),
        case.network.logits(theta, case.see(raw)),
        rtol=1e-10,
        atol=1e-12,
    )


def test_the_orbits_of_an_image_hold_each_pixel_once():
    pixels = torch.arange(64.0).reshape(1, 1, 8, 8)
    seen = architectures.orbits(pixels)
    assert seen.shape == (1, 16, 4)
    assert seen.flatten().sort().values.tolist() == list(range(64))


def test_the_c4_network_has_as_many_coefficients_as_the_sheet_says():
    assert architectures.c4(SHAPE, [8, 8], 10).network.size == 848


@pytest.mark.parametrize("name", CASES)
def test_coefficients_of_at_most_a_half_give_the_same_function_up_to_a_factor(name):
    case, raw = CASES[name]
    theta = 3 * random_rows(case.network, [0, 1])
    scaled = halved(case.network, theta)
    assert all(layer.abs().amax() == 0.5 for layer in case.network.split(scaled))
    outputs = [case.network.logits(rows, case.see(raw)) for rows in (theta, scaled)]
    factors = [layer.abs().flatten(1).amax(1) * 2 for layer in case.network.split(theta)]
    factor = torch.stack(factors).prod(0)[:, None, None]
    torch.testing.assert_close(outputs[1] * factor, outputs[0], rtol=1e-10, atol=1e-10)


def test_rescaling_a_layer_and_undoing_it_in_the_next_changes_nothing():
    case, raw = CASES["c4"]
    theta = random_rows(case.network, [0])
    first, second, third = (layer.flatten(1) for layer in case.network.split(theta))
    again = torch.cat([7.3 * first, second / 7.3, third], dim=1)
    torch.testing.assert_close(case.network(again, case.see(raw)), case.network(theta, case.see(raw)))


@pytest.mark.parametrize("name", CASES)
def test_a_row_does_not_know_its_neighbours(name):
    case, raw = CASES[name]
    rows = case.network.initial([5, 6, 7])
    assert torch.equal(rows[1:2], case.network.initial([6]))
    together = case.network.logits(rows, case.see(raw).float())
    alone = case.network.logits(rows[1:2], case.see(raw).float())
    torch.testing.assert_close(together[1:2], alone)


def test_labels_of_drawn_sets_and_graphs_depend_on_no_order_and_both_occur():
    for draw in (synthetic.point_sets, synthetic.triangle_graphs):
        _, labels = draw(0, "train", 400, 6)
        assert 0.25 < labels.double().mean() < 0.75
    graphs, labels = synthetic.triangle_graphs(0, "test", 50, 6)
    assert torch.equal(graphs, graphs.mT)
    assert (graphs.diagonal(dim1=1, dim2=2) == 0).all()
    counts = torch.linalg.matrix_power(graphs, 3).diagonal(dim1=1, dim2=2).sum(1) / 6
    assert counts[labels == 1].min() > counts[labels == 0].max()

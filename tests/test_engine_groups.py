"""A network does not know its neighbours: a fleet is the serial oracle to rounding, and itself bit for bit in any
grouping, in any order, cut into any blocks."""

import pytest
import torch
from training import NETWORKS, SETTINGS, dataset, mlp, recipe, trained

from isthmus.engine import architecture, serial, train, updates
from isthmus.engine.recipe import Network

GROUPINGS = {
    "4 + 4": [NETWORKS[:4], NETWORKS[4:]],
    "7 + 1": [NETWORKS[:7], NETWORKS[7:]],
    "one by one": [(network,) for network in NETWORKS],
    "every second": [NETWORKS[::2], NETWORKS[1::2]],
    "reversed": [NETWORKS[::-1]],
}


def rows_by_network(run, data, groups):
    """Network -> all that a run keeps of it."""
    found = {}
    for group in groups:
        tensors = trained(run, data, group).tensors
        for row, network in enumerate(group):
            found[network] = {name: tensor[row] for name, tensor in tensors.items()}
    return found


def assert_same_bits(found, wanted):
    assert found.keys() == wanted.keys()
    for network, tensors in wanted.items():
        assert found[network].keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert torch.equal(found[network][name], tensor), (network, name)


@pytest.fixture
def on_threads():
    """Sets the number of threads for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_fleet_is_the_serial_oracle_to_rounding(setting):
    """The distance to the oracle is a small share of how far training, kicks included, has moved the network."""
    run, data = recipe(setting), dataset()
    theta = trained(run, data).tensors["theta"]
    moved = (theta - train.Trainer(run, run.networks, data).start().tensors["theta"]).norm(dim=1)
    oracle = torch.stack([serial.train(run, network, data) for network in run.networks])
    # In the kernel regime outputs are small differences times alpha, and so is their rounding.
    share = 1e-4 if run.lazy is None else 1e-3
    assert moved.min() > 1e-3
    assert ((theta - oracle).norm(dim=1) / moved).max() < share


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_fleet_is_itself_bit_for_bit_in_other_groups(setting):
    run, data = recipe(setting), dataset()
    together = rows_by_network(run, data, [NETWORKS])
    for groups in GROUPINGS.values():
        assert_same_bits(rows_by_network(run, data, groups), together)
    finals = torch.stack([kept["theta"] for kept in together.values()])
    assert len(finals.unique(dim=0)) == len(NETWORKS)


@pytest.mark.parametrize("setting", SETTINGS)
def test_two_threads_give_small_networks_the_bits_of_one(setting, on_threads):
    """Not so for wide layers, whose products are shared out, which rounds: hence a recipe names its threads."""
    run, data = recipe(setting), dataset()
    on_threads(2)
    two = rows_by_network(run, data, [NETWORKS])
    on_threads(1)
    assert_same_bits(two, rows_by_network(run, data, [NETWORKS]))


@pytest.mark.parametrize("setting", SETTINGS)
def test_blocks_of_rows_that_step_together_do_not_show(setting, monkeypatch):
    run, data = recipe(setting), dataset()
    whole = rows_by_network(run, data, [NETWORKS])
    monkeypatch.setattr(architecture, "_BLOCK", {"cpu": 1})
    for turn in (1, 3, 8):
        monkeypatch.setattr(updates, "_TURN", turn)
        assert len(train.Trainer(run, NETWORKS, data).updates.blocks) == len(NETWORKS)
        assert_same_bits(rows_by_network(run, data, [NETWORKS]), whole)


def test_blocks_take_turns_of_several_updates_where_their_weights_outweigh_their_activations(monkeypatch):
    data, turns = dataset(), []
    monkeypatch.setattr(architecture, "_BLOCK", {"cpu": 1})
    for widths, batch, networks in [((50, 50), 8, NETWORKS), ((7, 5), 40, NETWORKS), ((50, 50), 8, NETWORKS[:1])]:
        run = recipe(model=mlp(*widths), batch=batch, steps=20, checkpoints=(20,), networks=networks)
        trainer, seen = train.Trainer(run, networks, data), []
        trainer.run(trainer.start(), lambda state, seen=seen: seen.append(state.step))
        turns.append(seen)
    assert turns[1] == turns[2] == list(range(1, 21))
    # Turns end where a network of NETWORKS is kicked, and at the run's end.
    kicks = {network.perturbation.at for network in NETWORKS if network.perturbation is not None}
    assert kicks & set(turns[0]) == {at for at in kicks if 0 < at <= 20}
    assert len(turns[0]) < 10
    assert turns[0][-1] == 20


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("widths", "features", "batch", "lazy"),
    [
        ((100, 100, 100), 40, 100, None),
        ((100, 100, 100), 40, 100, 100.0),
        ((200,), 40, 100, None),
        ((100, 100, 100), 40, 400, None),
        ((128, 128, 128), 64, 50, None),
    ],
    ids=str,
)
def test_networks_of_the_rooms_sizes_do_not_know_their_neighbours(
    widths, features, batch, lazy, threads, on_threads
):
    on_threads(threads)
    data = dataset(2 * batch, features, 10)
    networks = tuple(Network(seed, 0.05) for seed in range(5))
    run = recipe(model=mlp(*widths), batch=batch, steps=4, checkpoints=(4,), lazy=lazy)
    together = rows_by_network(run, data, [networks])
    for groups in ([networks[::-1]], [networks[:3], networks[3:]], [networks[:1], networks[1:]]):
        assert_same_bits(rows_by_network(run, data, groups), together)


def test_a_row_belongs_to_its_seed_order_rate_and_kick():
    """What is equal in two networks is all that their rows share: nothing else may come in."""
    run, data = recipe(), dataset()
    theta = trained(run, data, (*NETWORKS, *NETWORKS[::-1])).tensors["theta"]
    assert torch.equal(theta[: len(NETWORKS)], theta[len(NETWORKS) :].flip(0))

"""Data order is a function of (seed, order, epoch): every epoch a permutation, the same in whatever row."""

from itertools import combinations

import pytest
import torch

from isthmus.engine.batches import Batches, held_out, steps_per_epoch
from isthmus.engine.recipe import Network, Perturbation

EXAMPLES, BATCH = 23, 5
PER_EPOCH = EXAMPLES // BATCH


def seen(network, steps, others=()):
    """Indices (steps, BATCH) of the examples that a network sees, standing after the others."""
    batches = Batches([*others, network], EXAMPLES, BATCH)
    return torch.stack([batches.at(step)[-1] for step in range(steps)])


def test_an_epoch_is_a_permutation_cut_into_full_batches():
    assert steps_per_epoch(EXAMPLES, BATCH) == PER_EPOCH
    indices = seen(Network(3, 0.1), 4 * PER_EPOCH)
    for epoch in indices.split(PER_EPOCH):
        assert len(epoch.unique()) == PER_EPOCH * BATCH
    assert (indices.min(), indices.max()) == (0, EXAMPLES - 1)


def test_every_epoch_has_another_permutation():
    epochs = seen(Network(3, 0.1), 4 * PER_EPOCH).split(PER_EPOCH)
    assert not any(torch.equal(a, b) for a, b in combinations(epochs, 2))


def test_what_is_left_over_in_one_epoch_comes_in_another():
    assert len(seen(Network(3, 0.1), 10 * PER_EPOCH).unique()) == EXAMPLES


def test_equal_seed_and_order_see_equal_batches_in_whatever_row():
    alone = seen(Network(3, 0.1, 1), 9)
    kicked = Network(3, 0.7, 1, Perturbation(0, "weight", 1.0))
    others = [Network(3, 0.1), Network(4, 0.1, 1), Network(5, 0.1, 1)]
    assert torch.equal(seen(kicked, 9, others), alone)
    assert torch.equal(seen(kicked, 9, others[::-1]), alone)


@pytest.mark.parametrize("other", [Network(3, 0.1, 2), Network(4, 0.1, 1), Network(3, 0.1)])
def test_another_seed_or_order_sees_other_batches(other):
    assert not torch.equal(seen(other, 9), seen(Network(3, 0.1, 1), 9))


def test_a_step_may_be_asked_for_in_any_order():
    batches = Batches([Network(3, 0.1), Network(4, 0.1)], EXAMPLES, BATCH)
    forward = [batches.at(step).clone() for step in range(9)]
    for step in (8, 0, 5, 5, 3):
        assert torch.equal(Batches([Network(3, 0.1), Network(4, 0.1)], EXAMPLES, BATCH).at(step), forward[step])
        assert torch.equal(batches.at(step), forward[step])


def test_a_full_batch_is_all_examples():
    batches = Batches([Network(0, 0.1)], EXAMPLES, EXAMPLES)
    for step in range(3):
        assert batches.at(step)[0].sort().values.tolist() == list(range(EXAMPLES))


def test_what_is_held_out_is_never_seen_and_all_else_is():
    """30 % of 23 examples are 7: the other 16 make three batches of 5 an epoch."""
    held = held_out(3, EXAMPLES, 0.3)
    assert held.sum() == 7
    batches = Batches([Network(3, 0.1)], EXAMPLES, BATCH, 0.3)
    indices = torch.stack([batches.at(step)[0] for step in range(30)])
    assert sorted(set(indices.flatten().tolist())) == (~held).nonzero()[0].tolist()
    for epoch in indices.split(3):
        assert len(epoch.unique()) == 15


def test_what_is_held_out_belongs_to_the_seed():
    """In whatever row, and for whatever order."""
    shares = [held_out(seed, 200, 0.3) for seed in range(3)]
    assert not any((a == b).all() for a, b in combinations(shares, 2))
    alone, among = (
        Batches([*others, Network(4, 0.1, 2)], EXAMPLES, BATCH, 0.3).at(5)[-1] for others in ([], [Network(3, 0.1)])
    )
    assert torch.equal(alone, among)
    assert not held_out(4, EXAMPLES, 0.3)[alone].any()

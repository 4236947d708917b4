"""The schedules by their papers' own numbers, and as the rate that an update really takes."""

from math import cos, pi

import pytest
import torch
from training import dataset, recipe, trained

from isthmus.engine.recipe import Named, Network
from isthmus.engine.schedules import SCHEDULES, factors


def test_the_triangle_of_the_butterfly_sheet():
    found = factors("triangle", {"warmup": 0.2}, 10)
    assert found == pytest.approx([0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])


def test_the_laptop_triangle_peaks_after_two_percent_and_ends_above_zero():
    found = factors("triangle", {"warmup": 0.02}, 1000)
    assert found[0] == 0
    assert found.index(max(found)) == 20
    assert found[20] == 1
    assert found[-1] == pytest.approx(1 / 980)


def test_a_warm_up_of_part_of_a_step_is_rounded_up():
    assert factors("triangle", {"warmup": 0.01}, 10)[:2] == [0, 1]
    assert factors("triangle", {"warmup": 0.15}, 10)[:3] == [0, 0.5, 1]


def test_warmup_and_cosine_end_where_optax_does():
    """optax.warmup_cosine_decay_schedule(init, peak, warmup, decay_steps): its decay counts from step 0."""
    found = factors("warmup_cosine", {"warmup": 10, "start": 0.1}, 110)
    assert found[0] == pytest.approx(0.1)
    assert found[5] == pytest.approx(0.55)
    assert found[10] == 1
    assert found[60] == pytest.approx(0.5)
    assert found[-1] == pytest.approx(0.5 * (1 + cos(pi * 99 / 100)))
    assert SCHEDULES["warmup_cosine"](110, 110, warmup=10) == pytest.approx(0, abs=1e-12)
    assert factors("warmup_cosine", {"warmup": 10}, 110)[0] == 0


def test_a_run_shorter_than_its_warm_up_only_rises():
    assert factors("warmup_cosine", {"warmup": 10}, 3) == pytest.approx([0, 0.1, 0.2])


def test_a_staircase_falls_at_its_fractions_of_the_run():
    """160 epochs, a tenth from epoch 80 on and a hundredth from 120 on (the recipe of ResNets on CIFAR-10)."""
    found = factors("staircase", {"at": (0.5, 0.75), "factor": 0.1}, 160)
    assert found == pytest.approx([1.0] * 80 + [0.1] * 40 + [0.01] * 40)


def test_a_constant_schedule_is_the_peak_rate():
    assert factors("constant", {}, 3) == [1, 1, 1]


@pytest.mark.parametrize(("name", "settings"), [("triangle", {"warmup": 0.2}), ("warmup_cosine", {"warmup": 3})])
def test_an_update_at_rate_zero_changes_nothing_and_the_next_one_does(name, settings):
    run = recipe("plain sgd", schedule=Named(name, settings), checkpoints=(0, 1, 2), networks=(Network(0, 0.1),))
    kept = trained(run, dataset()).tensors
    start, first, second = (kept[f"step/{step}/theta"] for step in (0, 1, 2))
    assert torch.equal(first, start)
    assert not torch.equal(second, first)


def test_each_network_has_its_own_peak_rate():
    """One plain step at rate 2 r goes twice as far as at rate r."""
    run = recipe("plain sgd", steps=1, checkpoints=(0, 1), networks=(Network(0, 0.1), Network(0, 0.2)))
    kept = trained(run, dataset()).tensors
    moves = kept["step/1/theta"] - kept["step/0/theta"]
    torch.testing.assert_close(2 * moves[0], moves[1], rtol=1e-4, atol=1e-7)

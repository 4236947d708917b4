"""Lottery tickets with the real engine: masks carried over to other networks modulo permutation, rounds of pruning,
and the instability of what is left."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from architectures import MODELS, architecture
from networks import rows
from training import STEPS, dataset, images, mlp, recipe

from isthmus.connectivity.barrier import barrier_over_mean, on_line
from isthmus.engine.recipe import Named, Network
from isthmus.engine.start import Start
from isthmus.engine.train import Trainer
from isthmus.pruning import masks
from isthmus.pruning.schedule import densities
from isthmus.pruning.units import dead_units, degrees
from isthmus.samples import Sample
from isthmus.stats import interval, paired
from isthmus.symmetry import table
from isthmus.symmetry.activations import activation_matching
from isthmus.symmetry.matching import weight_matching

AT = 5
DECAY = Named("sgd", {"momentum": 0.9, "weight_decay": 5e-4})
SEEDS = range(4)
# Model of a run, the data it is trained on.
RUNS = {
    "mlp": (mlp(7, 5, activation="tanh"), dataset()),
    "cnn": (
        Named(
            "cnn",
            {"channels": (4, 5), "activation": "tanh", "init": "he", "norm": "layer", "pool": "max",
             "head": "global", "dense": (), "dropout": 0.0},
        ),
        images(),
    ),
    "resnet": (
        Named("resnet", {"depth": 8, "width": 4, "norm": "layer", "activation": "tanh", "init": "he"}),
        images(),
    ),
}  # fmt: skip


def run_of(name="mlp", lr=0.05, **changes):
    model, data = RUNS[name]
    networks = tuple(Network(seed, lr) for seed in SEEDS)
    return recipe(model=model, optimizer=DECAY, networks=networks, **changes), data


def train(run, data, start=None, networks=None):
    """Architecture and tensors at the end of a run."""
    trainer = Trainer(run, networks or run.networks, data, start)
    return trainer.architecture, trainer.run(trainer.start()).tensors


def random_perms(model, count):
    """Permutations that are not their own inverse, so that a wrong direction shows."""
    perms = table.random(table.group_sizes(model.layout, model.axes), range(count))
    assert any((p.gather(1, p) != torch.arange(p.shape[1])).any() for p in perms.values())
    return perms


def ticket(model, theta, density=0.3):
    """The mask of the largest weights of dense rows."""
    slots = masks.prunable(model.layout)
    return masks.magnitude(slots, theta, torch.ones_like(theta, dtype=torch.bool), density)


@pytest.mark.parametrize("model", [name for name in MODELS if name != "torchvision"])
def test_a_permuted_mask_is_the_mask_of_the_permuted_weights(model):
    model = architecture(model)
    layout, axes, slots = model.layout, model.axes, masks.prunable(model.layout)
    theta, perms = rows(model, 3), random_perms(model, 3)
    mask = ticket(model, theta)
    moved = table.permute(layout, axes, perms, mask)
    assert moved.dtype == torch.bool
    assert not torch.equal(moved, mask)
    permuted = table.permute(layout, axes, perms, theta)
    assert torch.equal(table.permute(layout, axes, perms, theta * mask), permuted * moved)
    assert torch.equal(moved, ticket(model, permuted))
    for name, kept in masks.counts(slots, mask).items():
        assert torch.equal(masks.counts(slots, moved)[name], kept)
    for before, after in zip(degrees(layout, axes, mask), degrees(layout, axes, moved), strict=True):
        for group, found in before.items():
            assert torch.equal(found.gather(1, perms[group]), after[group])
            assert torch.equal(found.sort(1).values, after[group].sort(1).values)
    for group, dead in dead_units(layout, axes, mask).items():
        assert torch.equal(dead, dead_units(layout, axes, moved)[group])
    assert torch.equal(table.permute(layout, axes, table.inverse(perms), moved), mask)


@pytest.mark.parametrize("name", RUNS)
def test_a_mask_is_carried_over_exactly_to_a_network_that_differs_by_a_permutation(name):
    """B begins as pi_0(A) and sees the same data: matching finds pi_0, and B's ticket trains as A's does.

    At a rate so low that what the order of a sum rounds otherwise does not grow.
    """
    run, data = run_of(name, 0.003, checkpoints=(0, AT, STEPS))
    model, a = train(run, data)
    layout, axes, perms = model.layout, model.axes, random_perms(model, len(SEEDS))
    _, b = train(run, data, Start(theta=table.permute(layout, axes, perms, a["step/0/theta"])))
    torch.testing.assert_close(b["theta"], table.permute(layout, axes, perms, a["theta"]), rtol=1e-4, atol=1e-5)
    by_weights = weight_matching(layout, axes, b["theta"], a["theta"]).perms
    by_activations = activation_matching(model, b["theta"], a["theta"], data.inputs["train"], "pearson")
    for group, p in perms.items():
        assert torch.equal(by_weights[group], p), group
        assert torch.equal(by_activations[group], p), group
    mask, early = ticket(model, a["theta"]), f"step/{AT}/theta"
    arms = {
        "permuted": table.permute(layout, axes, by_weights, mask),
        "naive": mask,
        "backwards": table.permute(layout, axes, table.inverse(by_weights), mask),
    }
    _, lth = train(run, data, Start(AT, a[early], mask=mask))
    away = {}
    for arm, carried in arms.items():
        _, found = train(run, data, Start(AT, b[early], mask=carried))
        away[arm] = (found["probe/loss"] / lth["probe/loss"] - 1).abs()[:, AT:]
    assert away["permuted"].shape[1] == STEPS - AT
    assert away["permuted"].max() <= 1e-5
    assert (away["naive"].amax(1) > 1e-2).all()
    assert (away["backwards"].amax(1) > 1e-2).all()


def test_the_identity_carries_a_mask_over_bit_for_bit():
    run, data = run_of(checkpoints=(0, AT, STEPS))
    model, dense = train(run, data)
    mask = ticket(model, dense["theta"])
    still = table.identity(table.group_sizes(model.layout, model.axes), len(SEEDS))
    moved = table.permute(model.layout, model.axes, still, mask)
    assert torch.equal(moved, mask)
    early = dense[f"step/{AT}/theta"].flip(0)
    _, naive = train(run, data, Start(AT, early, mask=mask))
    _, permuted = train(run, data, Start(AT, early, mask=moved))
    assert torch.equal(naive["theta"], permuted["theta"])
    assert torch.equal(naive["probe/loss"][:, AT:], permuted["probe/loss"][:, AT:])


@pytest.mark.parametrize("name", RUNS)
def test_a_mask_that_keeps_everything_is_dense_training_bit_for_bit(name):
    run, data = run_of(name)
    model, dense = train(run, data)
    mask = ticket(model, dense["theta"], density=1.0)
    assert mask.all()
    _, same = train(run, data, Start(mask=mask))
    assert torch.equal(same["theta"], dense["theta"])
    assert torch.equal(same["probe/loss"], dense["probe/loss"])


def test_rounds_of_pruning_and_rewinding_give_nested_masks_of_the_scheduled_densities():
    """Frankle et al. (2020), algorithm 2, to 30 % through 50 %."""
    run, data = run_of(checkpoints=(AT, STEPS))
    model, dense = train(run, data)
    slots = masks.prunable(model.layout)
    early, trained, mask = dense[f"step/{AT}/theta"], dense["theta"], ticket(model, dense["theta"], 1.0)
    total, rounds = sum(slot.stop - slot.start for slot in slots.values()), densities(0.2, (0.3, 0.5))
    assert rounds[3:] == pytest.approx([0.512, 0.5, 0.4, 0.32, 0.3])
    for density in rounds[1:]:
        before, mask = mask, masks.magnitude(slots, trained, mask, density)
        assert not (mask & ~before).any()
        assert masks.density(slots, mask).tolist() == [round(density * total) / total] * len(SEEDS)
        # What has gone is smaller than all that stays.
        gone = torch.where(before & ~mask, trained.abs(), 0.0).amax(1)
        weights = torch.zeros(model.layout.size, dtype=torch.bool)
        for slot in slots.values():
            weights[slot.start : slot.stop] = True
        assert (gone <= torch.where(mask & weights, trained.abs(), torch.inf).amin(1)).all()
        _, tensors = train(run, data, Start(AT, early, mask=mask))
        trained = tensors["theta"]
        assert not trained[~mask].any()
    # Each round prunes what was trained since: not the mask that one shot gives.
    assert not torch.equal(mask, ticket(model, dense["theta"], 0.3))


@pytest.mark.parametrize("sparse", [False, True])
def test_instability_is_zero_for_the_same_noise_and_after_the_end(sparse):
    """Two copies from update k, masked or not: the excess of the error on the line over the mean of its ends."""
    run, data = run_of(lr=0.5, checkpoints=(AT, STEPS))
    model, dense = train(run, data)
    mask = ticket(model, dense["theta"], 0.5) if sparse else None
    others = tuple(replace(network, order=1) for network in run.networks)
    x, y = data.inputs["train"], data.labels["train"]

    def instability(at, networks):
        start = Start(at, dense[f"step/{at}/theta"], mask=mask)
        copies = [train(run, data, start, chosen)[1]["theta"] for chosen in (run.networks, networks)]
        line = on_line(model, *copies, x, y, points=30)
        return barrier_over_mean(line.losses), barrier_over_mean(line.errors)

    for measure in (*instability(AT, run.networks), *instability(STEPS, others)):
        assert measure.tolist() == [0.0] * len(SEEDS)
    losses, errors = instability(AT, others)
    assert (losses > 0).all()
    assert errors.any()


@pytest.mark.parametrize("seeds", [2, 8, 25])
def test_arms_that_are_the_same_differ_by_nothing(seeds):
    accuracy = np.random.default_rng(0).uniform(0.8, 0.9, (seeds, 1))
    arm = Sample(accuracy, tuple(range(seeds)), ("accuracy",))
    found = interval(paired(arm, arm))
    assert (found.estimate, found.low, found.high) == (0.0, 0.0, 0.0)

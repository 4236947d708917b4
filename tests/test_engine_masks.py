"""Pruned scalars are exactly zero after every update and frozen ones keep their bits, whatever would move them; the
rest trains as a pruned network does in PyTorch."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from training import NETWORKS, STEPS, KilledError, Steps, dataset, fleet, recipe, row_of, trained

from isthmus.engine import schedules
from isthmus.engine.batches import Batches
from isthmus.engine.checkpoints import train_chunk
from isthmus.engine.fleet import Fleet
from isthmus.engine.recipe import Named, Network, Perturbation
from isthmus.engine.start import Start
from isthmus.engine.train import Trainer
from isthmus.errors import UserError

# Everything that could move a scalar whose gradient is zero: momentum, both kinds of decay, Adam's memory.
OPTIMIZERS = {
    "sgd": Named("sgd"),
    "momentum, decay": Named("sgd", {"momentum": 0.9, "weight_decay": 5e-4}),
    "nesterov, decay": Named("sgd", {"momentum": 0.9, "weight_decay": 0.05, "nesterov": True}),
    "adam": Named("adam"),
    "adam, decay": Named("adam", {"weight_decay": 0.05}),
    "adamw": Named("adam", {"weight_decay": 0.05, "decoupled": True}),
}
KINDS = ("gaussian", "batch", "weight")


def mask_of(run, data, density=0.5, seed=0):
    """Another mask for each row, over weights and biases alike."""
    shape = Trainer(run, run.networks, data).anchor.shape
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < density


def pruned(run, data, start, networks=None):
    """The state at the end of these networks, begun so."""
    trainer = Trainer(run, networks or run.networks, data, start)
    return trainer.run(trainer.start())


def bits(theta):
    return theta.contiguous().view(torch.int32)


@pytest.mark.parametrize("setting", [{}, {"lazy": 100.0}, {"precision": "bfloat16"}], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_pruned_scalar_is_zero_to_the_last_bit_after_every_update(name, setting):
    """At the start, after each of 50 updates, kicks among them, and at the end; -0.0 has other bits than 0.0."""
    run, data = recipe(optimizer=OPTIMIZERS[name], steps=50, checkpoints=(0, 50), **setting), dataset()
    mask, seen = mask_of(run, data), []
    trainer = Trainer(run, run.networks, data, Start(mask=mask))
    state = trainer.start()
    seen.append(bits(state.tensors["theta"])[~mask])
    trainer.run(state, lambda state: seen.append(bits(state.tensors["theta"])[~mask]))
    seen += [bits(state.tensors[f"step/{step}/theta"])[~mask] for step in (0, 50)]
    assert len(seen) == 53
    assert not torch.stack(seen).any()
    assert state.tensors["theta"][mask].count_nonzero() > 0.8 * mask.sum()


@pytest.mark.parametrize("kind", KINDS)
def test_a_kick_moves_no_pruned_and_no_frozen_scalar(kind):
    run, data = recipe(steps=0, checkpoints=(0,), frozen=("layers.1.*",)), dataset()
    networks = tuple(replace(network, perturbation=Perturbation(0, kind, 0.5)) for network in NETWORKS)
    mask = mask_of(run, data)
    kicked = pruned(run, data, Start(mask=mask), networks).tensors
    begun = Trainer(run, networks, data, Start(mask=mask)).start().tensors["theta"]
    moved = kicked["theta"] != begun
    slot = Trainer(run, networks, data).architecture.layout.slots["layers.1.weight"]
    assert not moved[~mask].any()
    assert not moved[:, slot.start : slot.stop].any()
    assert kicked["probe/changed"].tolist() == moved.sum(1).tolist()
    # One weight out of all may be one that is held.
    assert moved.any() if kind == "weight" else moved.any(1).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_is_left_trains_as_pytorchs_optimizer_does_on_masked_weights(name):
    """A row alone: f(w m), its gradient, and w m after every step (Frankle & Carbin 2019, footnote 1)."""
    run, data = recipe(optimizer=OPTIMIZERS[name], networks=(Network(3, 0.1),)), dataset()
    mask = mask_of(run, data)
    trainer = Trainer(run, run.networks, data, Start(mask=mask))
    weights = nn.Parameter(trainer.anchor[0] * mask[0])
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    settings = dict(run.optimizer.settings)
    kind = torch.optim.AdamW if settings.pop("decoupled", False) else kinds[run.optimizer.name]
    optimizer = kind([weights], lr=0.1, **{"weight_decay": 0.0, **settings})
    batches = Batches(run.networks, 40, run.batch)
    for step in range(STEPS):
        chosen = batches.at(step)[0]
        logits = trainer.architecture.logits((weights * mask[0])[None], data.inputs["train"][chosen])[0]
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits, data.labels["train"][chosen]).backward()
        optimizer.step()
        with torch.no_grad():
            weights *= mask[0]
    theta = trainer.run(trainer.start()).tensors["theta"][0]
    assert (theta - weights.detach()).norm() < 1e-5 * (theta - trainer.anchor[0]).norm()


@pytest.mark.parametrize("setting", ["standard", "adamw", "kernel regime", "dropout"])
def test_a_mask_that_prunes_nothing_leaves_the_bits_of_dense_training(setting):
    run, data = recipe(setting), dataset()
    whole = torch.ones_like(mask_of(run, data))
    assert torch.equal(pruned(run, data, Start(mask=whole)).tensors["theta"], trained(run, data).tensors["theta"])


def test_each_network_has_its_own_mask_and_does_not_know_the_others():
    run, data = recipe(), dataset()
    mask = mask_of(run, data)
    together = pruned(run, data, Start(mask=mask)).tensors["theta"]
    for row, network in enumerate(NETWORKS):
        alone = pruned(run, data, Start(mask=mask[row : row + 1]), (network,)).tensors["theta"]
        assert torch.equal(alone[0], together[row])
    back = pruned(run, data, Start(mask=mask.flip(0)), NETWORKS[::-1]).tensors["theta"]
    assert torch.equal(back.flip(0), together)


def test_a_pruned_scalar_of_a_network_that_diverges_is_still_zero():
    run, data = recipe("plain sgd"), dataset()
    networks = (*NETWORKS[:7], Network(9, 1e30))
    mask = mask_of(run, data, 0.95)
    tensors = pruned(run, data, Start(mask=mask), networks).tensors
    assert tensors["probe/diverged_at"][-1] > 0
    assert not tensors["theta"][~mask].any()
    assert not tensors["theta"][-1].isfinite().all()


def test_a_ticket_is_rewound_to_an_early_checkpoint_and_trained_from_there(tmp_path):
    """The lottery ticket's setting: dense training, a mask of its largest final weights, the rest of the training
    again from update 5 (Frankle et al. 2020). Schedule and data order are those of that moment."""
    networks = tuple(Network(seed, 0.1) for seed in range(4))
    run, data = recipe("triangle", networks=networks), dataset()
    dense = fleet(run, data, tmp_path)
    mask = dense.final.abs() > dense.final.abs().median(dim=1, keepdim=True).values
    ticket = Start(5, dense.thetas[5], mask=mask)
    trainer = Trainer(run, networks, data, ticket)
    begun = trainer.start()
    assert torch.equal(begun.tensors["theta"], dense.thetas[5] * mask)
    x, y = (part["train"][Batches(networks, 40, run.batch).at(5)] for part in (data.inputs, data.labels))
    theta = begun.tensors["theta"].clone().requires_grad_()
    losses = nn.functional.cross_entropy(dense.architecture.logits(theta, x).mT, y, reduction="none").mean(1)
    (gradient,) = torch.autograd.grad(losses.sum(), theta)
    trainer.run(begun, lambda state: state.tensors.setdefault("second", state.tensors["theta"].clone()))
    torch.testing.assert_close(begun.tensors["probe/loss"][:, 5], losses.detach())
    assert begun.tensors["probe/loss"][:, :5].isnan().all()
    rate = trainer.updates.rate * schedules.factors("triangle", {"warmup": 0.2}, STEPS)[5]
    stepped = theta.detach() - rate * gradient * mask
    torch.testing.assert_close(begun.tensors["second"], stepped)


@pytest.mark.parametrize("name", ["momentum, decay", "adamw"])
def test_a_killed_ticket_goes_on_with_its_mask_and_ends_with_the_same_bits(name, tmp_path):
    run, data = recipe(optimizer=OPTIMIZERS[name]), dataset()
    dense = fleet(run, data, tmp_path)
    ticket = Start(5, dense.thetas[5], mask=mask_of(run, data))
    paths = {which: tmp_path / which for which in ("whole", "killed")}
    train_chunk(run, 0, data, paths["whole"], tmp_path / "fresh", "code", Steps(), ticket)
    with pytest.raises(KilledError):
        train_chunk(run, 0, data, paths["killed"], tmp_path / "save", "code", Steps(4), ticket, save_every=0.0)
    progress = Steps()
    train_chunk(run, 0, data, paths["killed"], tmp_path / "save", "code", progress, ticket)
    assert 5 < progress.first < 9
    assert paths["killed"].read_bytes() == paths["whole"].read_bytes()
    read = Fleet.load([paths["whole"]], run, data)
    assert [*read.thetas] == [5, STEPS]
    assert not read.final[~ticket.mask].any()


def test_the_save_of_another_mask_is_not_taken_up(tmp_path):
    run, data = recipe(), dataset()
    first, second = (Start(mask=mask_of(run, data, seed=seed)) for seed in (0, 1))
    with pytest.raises(KilledError):
        train_chunk(run, 0, data, tmp_path / "out", tmp_path / "save", "code", Steps(4), first, save_every=0.0)
    progress = Steps()
    train_chunk(run, 0, data, tmp_path / "out", tmp_path / "save", "code", progress, second)
    assert progress.first == 0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_frozen_parameters_keep_their_bits_and_the_others_move(name):
    run, data = recipe(optimizer=OPTIMIZERS[name], frozen=("layers.0.*", "layers.2.bias")), dataset()
    trainer = Trainer(run, run.networks, data)
    begun = trainer.start()
    first, seen = begun.tensors["theta"].clone(), []
    trainer.run(begun, lambda state: seen.append(state.tensors["theta"].clone()))
    for name, slot in trainer.architecture.layout.slots.items():
        parts = torch.stack([bits(theta[:, slot.start : slot.stop]) for theta in (first, *seen)])
        frozen = name in ("layers.0.weight", "layers.0.bias", "layers.2.bias")
        assert (parts == parts[0]).all() == frozen, name


def test_all_frozen_stays_where_it_began():
    run, data = recipe("adamw", frozen=("*",)), dataset()
    state = trained(run, data)
    assert torch.equal(state.tensors["theta"], Trainer(run, NETWORKS, data).anchor)
    assert not state.tensors["probe/changed"].any()


def test_a_frozen_branch_keeps_what_its_parent_learned(tmp_path):
    """Only the head goes on: linear probing."""
    run, data = recipe(), dataset()
    dense = fleet(run, data, tmp_path)
    probing = replace(run, frozen=("layers.0.*", "layers.1.*"))
    theta = pruned(probing, data, Start(5, dense.thetas[5])).tensors["theta"]
    slots = dense.architecture.layout.slots
    head = slice(slots["layers.2.weight"].start, None)
    moved = theta != dense.thetas[5]
    assert not moved[:, : head.start].any()
    assert moved[:, head].any(1).all()


def test_a_mask_may_zero_what_is_frozen():
    run, data = recipe(frozen=("layers.0.*",)), dataset()
    mask = mask_of(run, data)
    theta = pruned(run, data, Start(mask=mask)).tensors["theta"]
    slot = Trainer(run, NETWORKS, data).architecture.layout.slots["layers.0.weight"]
    part = slice(slot.start, slot.stop)
    assert torch.equal(theta[:, part], (Trainer(run, NETWORKS, data).anchor * mask)[:, part])
    assert not theta[~mask].any()


def test_a_pattern_that_names_no_parameter_is_told_in_one_line():
    with pytest.raises(UserError) as error:
        Trainer(recipe(frozen=("layers.7.*",)), NETWORKS, dataset())
    names = ", ".join(f"layers.{level}.{part}" for level in range(3) for part in ("weight", "bias"))
    assert str(error.value) == f"study.yaml, frozen: wanted names among {names}, found 'layers.7.*'"


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.int64])
def test_a_mask_of_numbers_is_refused(dtype):
    with pytest.raises(ValueError, match=r"^mask: wanted bool, found torch\."):
        Start(mask=torch.ones((8, 94), dtype=dtype))


def test_tensors_of_different_numbers_of_rows_are_refused():
    with pytest.raises(ValueError, match=r"found mask 4, memory/velocity 8, theta 8$"):
        Start(5, torch.zeros(8, 3), {"velocity": torch.zeros(8, 3)}, mask=torch.ones(4, 3, dtype=torch.bool))


@pytest.mark.parametrize("name", ["theta", "mask"])
@pytest.mark.parametrize("shape", [(4, 107), (8, 106)], ids=str)
def test_a_start_of_other_rows_than_the_chunks_is_refused(name, shape):
    given = torch.ones(shape, dtype=torch.bool if name == "mask" else torch.float32)
    with pytest.raises(ValueError, match=rf"^{name}: wanted the chunk's \(8, 107\), found \({shape[0]}, "):
        Trainer(recipe(), NETWORKS, dataset(), Start(**{name: given}))


def test_a_network_without_a_start_has_no_mask():
    run, data = recipe(), dataset()
    assert torch.equal(row_of(run, data, NETWORKS[0]), pruned(run, data, Start()).tensors["theta"][0])

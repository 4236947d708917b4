"""Which units each kind takes: drawn, by gates' derivatives, when the network has settled; dead ones by hand."""

from dataclasses import replace

import pytest
import torch
from architectures import architecture
from networks import data, mlp, rows
from removals import data_of, live_of, ran, run_of
from torch import nn
from torch.func import functional_call

from isthmus.engine.batches import held_out
from isthmus.engine.recipe import Network, Removal
from isthmus.engine.train import Trainer
from isthmus.removal import by_score, early, gates
from isthmus.removal.by_chance import random
from isthmus.removal.dead import dead, living
from isthmus.removal.kinds import KINDS
from isthmus.removal.scene import Scene, highest
from isthmus.symmetry.table import group_sizes


def scene(family="mlp", networks=(), step=0, memory=None, **changes):
    """What a kind sees of these networks before update `step`, whole and as they begin."""
    run, of = run_of(family, networks=tuple(networks), **changes), data_of(family)
    built = Trainer(run, run.networks, of).architecture
    live = {
        group: torch.ones(len(networks), n, dtype=torch.bool)
        for group, n in group_sizes(built.layout, built.axes).items()
    }
    theta = built.initial([network.seed for network in networks])
    x, y = of.inputs["train"], of.labels["train"]
    return Scene(run, built, networks, theta, live, x, y, step, 0, {} if memory is None else memory)


def test_the_tiny_network_of_the_sheet():
    """Reference check 8: W = [[1], [-1], [-1]], b = [0, 0, -1], x in {1, 2}; x = -0.5 revives the second unit."""
    built = mlp((3,), features=1, classes=2)
    theta = built.initial([0])
    theta[0, :6] = torch.tensor([1.0, -1.0, -1.0, 0.0, 0.0, -1.0])
    assert dead(built, theta, torch.tensor([[1.0], [2.0]]))["h0"].tolist() == [[False, True, True]]
    assert dead(built, theta, torch.tensor([[1.0], [2.0], [-0.5]]))["h0"].tolist() == [[False, False, True]]


def test_death_is_looked_for_on_the_examples_that_are_named():
    network = (Network(0, 0.1, remove="dead"),)
    few, all_of = (scene("mlp", network, removal=Removal(3, count)) for count in (2, None))
    lost = [sum(int((~left).sum()) for left in living(one).values()) for one in (few, all_of)]
    assert lost[0] > lost[1]


@pytest.mark.parametrize("share", [1.0, 0.5, 0.2, 0.001])
def test_random_removal_keeps_the_share_and_something_of_each_group(share):
    networks = [Network(seed, 0.1, remove="random", units=share) for seed in range(200)]
    one = scene("cnn, flat", networks)
    live = random(one)
    total = sum(left.sum(1) for left in live.values())
    assert one.total == 15
    assert set(total.tolist()) == {max(3, round(15 * share))}
    assert all(left.any(1).all() for left in live.values())
    for row, network in enumerate(networks[:5]):
        alone = random(scene("cnn, flat", [network]))
        assert all(torch.equal(alone[group][0], left[row]) for group, left in live.items())
    if share == 0.5:
        # Uniform over units: each of 15 stays in about 8 of 15 of the networks.
        kept = torch.cat([*live.values()], 1).double().mean(0)
        assert (kept - 8 / 15).abs().max() < 0.15


def test_rounds_of_the_papers_code():
    assert by_score.rounds(0.7) == [0.7]
    assert by_score.rounds(0.5) == [0.5]
    assert by_score.rounds(0.1) == pytest.approx([0.5, 0.3, 0.2, 0.15, 0.125, 0.1125, 0.1])


def test_the_highest_of_what_is_left():
    scores = torch.tensor([[0.1, 3.0, torch.nan, 2.0], [1.0, 1.0, 1.0, 1.0]])
    left = torch.tensor([[True, False, True, True], [True] * 4])
    assert highest(scores, left, [2, 3]).tolist() == [[True, False, False, True], [True, True, True, False]]
    assert highest(scores, left, [4, 0]).tolist() == [[True, False, True, True], [False] * 4]


@pytest.mark.parametrize("family", ["mlp", "mlp, batch norm", "cnn, flat", "cnn, batch norm", "vgg"])
def test_gates_are_factors_of_activations(family):
    """Against gates in the module itself: derivatives of the loss, and of |g|^2 / 2, by them."""
    built = run_architecture(family)
    theta = rows(built, 2)
    x, y = (torch.stack(parts) for parts in zip(*(data(built, 30, seed) for seed in (0, 1)), strict=True))
    found = [kind(built, theta, x, y, "cross_entropy") for kind in (gates.sensitivity, gates.flow)]
    for row in range(2):
        sizes = group_sizes(built.layout, built.axes)
        own = [torch.ones(n, requires_grad=True) for n in sizes.values()]
        loss = nn.functional.cross_entropy(gated(built, theta[row], x[row], own), y[row])
        first = torch.autograd.grad(loss, own, create_graph=True)
        flow = sum((one.detach() * one).sum() for one in first)
        second = torch.autograd.grad(flow, own)
        for kind, wanted in zip(found, (first, second), strict=True):
            wanted = torch.cat([one.detach() for one in wanted]).abs()
            assert wanted.max() > 1e-6
            assert torch.allclose(kind[row], wanted, rtol=1e-3, atol=1e-5 * float(wanted.max()))


def run_architecture(family):
    run, of = run_of(family), data_of(family)
    return Trainer(run, run.networks[:1], of).architecture


def gated(built, row, x, own):
    """Logits of the module whose activation functions, in their order, are followed by a gate for each unit."""
    module, order = built.module.train(), iter(own)
    activation = module.activation

    def with_gate(value):
        gate, answers = next(order), activation(value)
        return answers * (gate.view(-1, 1, 1) if answers.ndim == 4 else gate)

    module.activation = with_gate
    try:
        return functional_call(module, built.layout.split(row), (x,))
    finally:
        module.activation = activation


def test_a_streams_gates_are_its_readers():
    """Of a ResNet: every weight that reads the stream, and no other, bears its gate."""
    built = architecture("resnet")
    place, sizes = gates.places(built), group_sizes(built.layout, built.axes)
    groups = torch.cat([torch.full((n,), at) for at, n in enumerate(sizes.values())])
    of = {}
    for name, slot in built.layout.slots.items():
        here = place[slot.start : slot.stop]
        of[name] = {[*sizes][groups[at]] for at in here.tolist() if at < len(groups)}
    assert of["stages.0.1.conv1.weight"] == of["stages.1.0.conv1.weight"] == {"stream0"}
    assert of["stages.1.0.shortcut.weight"] == {"stream0"}
    assert of["stages.0.1.conv2.weight"] == {"inner0.1"}
    assert of["head.weight"] == {"stream2"}
    assert of["stem.weight"] == of["stages.0.0.norm1.weight"] == of["head.bias"] == set()


@pytest.mark.parametrize("kind", ["snap", "cropit"])
def test_scores_never_see_what_is_held_out(kind, monkeypatch):
    """Neither inputs nor labels of a network's validation examples."""
    networks = [Network(seed, 0.1, remove=kind, units=0.5) for seed in (0, 1)]
    one = scene("mlp", networks, held_out=0.3)
    monkeypatch.setattr(by_score, "_EXAMPLES", 3)
    for row, network in enumerate(networks):
        unseen = torch.from_numpy(held_out(network.seed, 60, 0.3))
        spoiled = replace(one, x=torch.where(unseen[:, None], torch.nan, one.x))
        x, y = by_score._batches(spoiled)
        assert not x[row].isnan().any()
        assert y[row].bincount().tolist() == [3, 3, 3]
        seen = [*map(tuple, one.x[unseen].tolist())]
        assert not any(tuple(example) in seen for example in x[row].tolist())


def test_what_a_score_prefers_stays():
    """A unit that nobody reads has a gate without effect, and goes first."""
    networks = [Network(0, 0.1, remove="snap", units=0.9)]
    one = scene("mlp", networks)
    slot = one.architecture.layout.slots["layers.1.weight"]
    weights = one.theta[0, slot.start : slot.stop].view(slot.shape)
    weights[:, 4] = 0.0
    for kind in (by_score.snap, by_score.cropit):
        assert not kind(one)["h0"][0, 4]


def moments(shares, distances, steps=1000):
    """At which epoch each network of these shares is cut, if after each epoch it is so far from where it was after
    the first one, where its norm is 1."""
    networks = [Network(seed, 0.1, remove="early_cropit", units=share) for seed, share in enumerate(shares)]
    one = scene("mlp", networks, steps=steps)
    trained = one.architecture.layout.trained
    start, way = torch.zeros(2, len(shares), one.architecture.layout.size)
    start[:, 0], way[:, 1] = 1.0, 1.0
    assert trained > 2
    found = [None] * len(shares)
    for epoch, distance in enumerate(distances, start=1):
        now = replace(one, theta=start + distance * way, step=5 * epoch)
        left = torch.cat([*early.early_cropit(now).values()], 1).all(1)
        for row in range(len(shares)):
            if found[row] is None and not left[row]:
                found[row] = epoch
    return found


def test_the_moment_of_early_pruning():
    """In the second epoch it moves by 1, so thresholds are min(share - 0.1, 0.99); then by 0.5, 0.2 and 0.05."""
    assert moments([0.9, 0.5, 0.2], [0.0, 1.0, 1.5, 1.7, 1.75]) == [3, 4, 5]


def test_no_change_at_all_is_no_moment():
    assert moments([0.9], [0.0, 1.0, 1.0, 1.0, 1.1]) == [5]


def test_a_network_that_never_settles_is_cut_at_half_of_its_updates():
    """And so is one of a tenth, whose threshold is zero."""
    assert moments([0.5, 0.1], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], steps=50) == [5, 5]


def test_early_pruning_is_asked_for_when_epochs_end():
    run = run_of("mlp", networks=(Network(0, 0.02, remove="early_cropit", units=0.5),))
    state = ran(run, data_of("mlp"))
    assert KINDS["early_cropit"].when == "epochs"
    units = sum(value[0] for name, value in state.tensors.items() if name.startswith("probe/units/"))
    # Looks at 0, 3, ..., 12 come before half of the 25 updates, at 15 an epoch ends.
    assert units[:5].tolist() == [17] * 5 or units.unique().tolist() == [8, 17]
    assert sum(int(left.sum()) for left in live_of(state).values()) == 8

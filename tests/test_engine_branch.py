"""A branch goes on from another run's networks: with its parent's order and memory it ends with its parent's bits,
and what differs between the two is all that it was told to do otherwise."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from training import NETWORKS, SETTINGS, STEPS, KilledError, Steps, dataset, fleet, recipe

from isthmus.engine import perturb
from isthmus.engine.batches import Batches
from isthmus.engine.checkpoints import train_chunk
from isthmus.engine.fleet import Fleet
from isthmus.engine.recipe import Branch, Named, Network, Perturbation
from isthmus.engine.start import Start, branched
from isthmus.engine.train import Trainer
from isthmus.errors import UserError

AT = 5


def parent_of(setting="standard", **changes):
    """A run that keeps its networks and its memory at 0, at the branch and at the end."""
    return recipe(setting, **{"memory": (0, AT, STEPS), **changes})


def child_of(parent, at=AT, memory=True, rows=range(8), keeps=(), **changes):
    """A branch that says nothing new: rows as in the parent, without the kicks that they have had.

    keeps: when its networks are kept, memory and all, besides its beginning and its end.
    """
    networks = []
    for row in rows:
        network = parent.networks[row]
        kick = network.perturbation
        networks.append(replace(network, parent=row, perturbation=kick if kick and kick.at > at else None))
    own = {"checkpoints": tuple(sorted({at, *keeps, STEPS})), "memory": keeps, "probes": ()}
    return replace(parent, networks=tuple(networks), branch=Branch(parent, at, memory), **{**own, **changes})


@pytest.fixture
def grown(tmp_path):
    """A parent with momentum, and its fleet."""
    return fleet(parent_of(), dataset(), tmp_path)


@pytest.mark.parametrize("at", [0, AT])
@pytest.mark.parametrize("setting", SETTINGS)
def test_with_its_parents_order_and_memory_it_ends_with_its_parents_bits(setting, at, tmp_path):
    """Schedule, data order, dropout, the kernel regime's theta_0 and Adam's count go on from where they were."""
    data, parent = dataset(), parent_of(setting)
    first = fleet(parent, data, tmp_path)
    second = fleet(child_of(parent, at), data, tmp_path, first)
    assert torch.equal(second.thetas[at], first.thetas[at])
    assert torch.equal(second.final, first.final)
    assert torch.equal(second.loss[:, at:], first.loss[:, at:])
    assert second.loss[:, :at].isnan().all()
    assert second.diverged_at.tolist() == [-1] * len(NETWORKS)


@pytest.mark.parametrize(("chunk", "of_child"), [(3, 8), (8, 3), (1, 1)])
def test_how_parent_and_child_were_cut_does_not_show(chunk, of_child, grown, tmp_path):
    whole = fleet(child_of(grown.recipe), dataset(), tmp_path, grown)
    parent = fleet(parent_of(chunk=chunk), dataset(), tmp_path)
    cut = fleet(child_of(parent.recipe, chunk=of_child), dataset(), tmp_path, parent)
    assert torch.equal(cut.final, whole.final)


def test_without_memory_momentum_begins_anew(grown, tmp_path):
    child = fleet(child_of(grown.recipe, memory=False), dataset(), tmp_path, grown)
    assert torch.equal(child.loss[:, AT], grown.loss[:, AT])
    assert not torch.isclose(child.final, grown.final).all(dim=1).any()
    # The first step is along the gradient alone, as without momentum.
    one = {"steps": AT + 1, "checkpoints": (AT + 1,)}
    networks = tuple(replace(network, perturbation=None) for network in child.networks)
    stepped = fleet(replace(child.recipe, networks=networks, **one), dataset(), tmp_path, grown)
    plain = Trainer(recipe("plain sgd", **one), networks, dataset(), Start(AT, grown.thetas[AT]))
    assert torch.equal(stepped.final, plain.run(plain.start()).tensors["theta"])


def test_without_memory_adam_counts_its_updates_anew(tmp_path):
    """Its correction of a young memory's bias is that of PyTorch's own Adam, begun at the branch."""
    data = dataset()
    parent = fleet(parent_of("adam"), data, tmp_path)
    run = child_of(parent.recipe, memory=False, rows=[6, 7])
    found = fleet(run, data, tmp_path, parent).final
    batches = Batches(run.networks, 40, run.batch)
    for row, network in enumerate(run.networks):
        theta = nn.Parameter(parent.thetas[AT][network.parent].clone())
        optimizer = torch.optim.Adam([theta], lr=network.lr)
        for step in range(AT, STEPS):
            chosen = batches.at(step)[row]
            logits = parent.architecture.logits(theta.unsqueeze(0), data.inputs["train"][chosen])[0]
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, data.labels["train"][chosen]).backward()
            optimizer.step()
        moved = found[row] - parent.thetas[AT][network.parent]
        assert (found[row] - theta.detach()).norm() < 1e-4 * moved.norm()


def test_without_momentum_there_is_no_memory_to_miss(tmp_path):
    parent = fleet(parent_of("plain sgd"), dataset(), tmp_path)
    assert parent.memory(AT) == {}
    for memory in (False, True):
        child = fleet(child_of(parent.recipe, memory=memory), dataset(), tmp_path, parent)
        assert torch.equal(child.final, parent.final)


def test_another_order_sees_other_batches_of_the_same_later_epochs(grown):
    """40 examples in batches of 8: update 5 is the first of the second epoch."""
    run = child_of(grown.recipe, rows=[0])
    same, other = (
        Trainer(run, (replace(run.networks[0], order=order),), dataset(), branched(run, slice(0, 1), grown))
        for order in (0, 4)
    )
    alone = Trainer(grown.recipe, (Network(0, 0.1),), dataset())
    for step in range(AT, STEPS):
        assert torch.equal(same.updates.batches.at(step), alone.updates.batches.at(step))
        assert not torch.equal(other.updates.batches.at(step), alone.updates.batches.at(step))
    seen = torch.cat([other.updates.batches.at(step)[0] for step in range(AT, 2 * AT)])
    assert sorted(seen.tolist()) == list(range(40))


def test_several_children_of_one_network_in_any_places(grown, tmp_path):
    """Orders differ between children of row 2; each child is the one that it would be alone."""
    run = child_of(grown.recipe, rows=[6, 2, 2, 2, 0])
    networks = [replace(n, order=order) for n, order in zip(run.networks, [3, 0, 1, 2, 0], strict=True)]
    together = fleet(replace(run, networks=tuple(networks)), dataset(), tmp_path, grown)
    assert torch.equal(together.thetas[AT], grown.thetas[AT][[6, 2, 2, 2, 0]])
    assert torch.equal(together.final[[0, 2, 4]], grown.final[[6, 2, 0]])
    assert len(together.final.unique(dim=0)) == 5
    for row, network in enumerate(networks):
        alone = fleet(replace(run, networks=(network,)), dataset(), tmp_path, grown)
        assert torch.equal(alone.final[0], together.final[row])


@pytest.mark.parametrize("kind", perturb.KINDS)
def test_a_kicked_child(kind, grown, tmp_path):
    """At the branch it stands apart by the kick alone; a kick of size 0 leaves its parent's bits."""
    run = child_of(grown.recipe, rows=[6, 6])
    kicks = [Perturbation(AT, kind, sigma) for sigma in (0.0, 0.3)]
    networks = tuple(replace(n, perturbation=kick) for n, kick in zip(run.networks, kicks, strict=True))
    child = fleet(replace(run, networks=networks), dataset(), tmp_path, grown)
    moved = child.thetas[AT] - grown.thetas[AT][6]
    assert child.changed.tolist() == [0, moved[1].count_nonzero()]
    assert torch.equal(child.final[0], grown.final[6])
    assert not torch.equal(child.final[1], grown.final[6])
    if kind != "weight":
        assert moved[1].norm().item() == pytest.approx(0.3 * perturb.scale(grown.architecture), rel=1e-5)


def test_a_branch_at_the_end_takes_no_step(grown, tmp_path):
    child = fleet(child_of(grown.recipe, at=STEPS), dataset(), tmp_path, grown)
    assert torch.equal(child.final, grown.final)
    assert child.loss.isnan().all()


@pytest.mark.parametrize("setting", ["standard", "adam"])
def test_a_branch_of_a_branch(setting, tmp_path):
    data, parent = dataset(), parent_of(setting)
    first = fleet(parent, data, tmp_path)
    middle = child_of(parent, keeps=(9,))
    second = fleet(middle, data, tmp_path, first)
    last = fleet(child_of(middle, at=9), data, tmp_path, second)
    assert torch.equal(last.final, first.final)
    assert [*last.recipe.lineage] == [last.recipe, middle, parent]


def test_a_recipe_knows_since_when_its_memory_gathers():
    parent = parent_of()
    fresh = child_of(parent, memory=False)
    kept = child_of(fresh, at=9)
    begun = [run.memory_begins for run in (parent, child_of(parent), fresh, kept, child_of(kept, 9, memory=False))]
    assert begun == [0, 0, AT, AT, 9]


def test_a_start_says_how_old_its_memory_is(tmp_path):
    data, parent = dataset(), parent_of("adam")
    first = fleet(parent, data, tmp_path)
    fresh = child_of(parent, memory=False, keeps=(9,))
    second = fleet(fresh, data, tmp_path, first)
    rows = slice(0, 8)
    assert branched(child_of(parent), rows, first).age == AT
    assert (branched(fresh, rows, first).age, branched(fresh, rows, first).memory) == (0, {})
    assert branched(child_of(fresh, at=9), rows, second).age == 9 - AT


def test_a_killed_branch_goes_on_where_it_was_saved_and_ends_with_the_same_bits(grown, tmp_path):
    run, killed, save = child_of(grown.recipe), tmp_path / "killed", tmp_path / "save"
    start = branched(run, slice(0, 8), grown)
    whole = fleet(run, dataset(), tmp_path, grown)
    with pytest.raises(KilledError):
        train_chunk(run, 0, dataset(), killed, save, "code", Steps(3), start, save_every=0.0)
    progress = Steps()
    train_chunk(run, 0, dataset(), killed, save, "code", progress, start)
    assert progress.first in (AT + 1, AT + 2)
    assert progress.first + progress.taken == STEPS
    assert torch.equal(Fleet.load([killed], run, dataset()).final, whole.final)


@pytest.mark.parametrize("other", [{"memory": {}}, {"age": 3}, {"step": 4}, {"theta": None, "memory": {}}])
def test_a_save_of_another_start_is_not_taken_up(other, grown, tmp_path):
    run, save = child_of(grown.recipe), tmp_path / "save"
    start = branched(run, slice(0, 8), grown)
    with pytest.raises(KilledError):
        train_chunk(run, 0, dataset(), tmp_path / "out", save, "code", Steps(3), start, save_every=0.0)
    progress, start = Steps(), replace(start, **other)
    train_chunk(run, 0, dataset(), tmp_path / "out", save, "code", progress, start)
    assert progress.first == start.step


def test_the_fleet_of_another_run_is_no_parent(grown):
    run = child_of(parent_of(batch=4))
    with pytest.raises(UserError, match=r"^branch: wanted the fleet of the run .* found another's$"):
        branched(run, slice(0, 8), grown)


def test_a_parent_that_kept_no_memory(tmp_path):
    parent = fleet(recipe(), dataset(), tmp_path)
    with pytest.raises(UserError, match=r"^study\.yaml, memory: wanted the optimizer's memory at 5 kept"):
        branched(child_of(parent.recipe), slice(0, 8), parent)


def test_a_changed_parent_is_another_child():
    parent = parent_of()
    child = child_of(parent)
    for changes in ({"batch": 4}, {"optimizer": Named("sgd", {"momentum": 0.8})}, {"threads": 2}):
        assert replace(child, branch=Branch(replace(parent, **changes), AT, True)).digest() != child.digest()

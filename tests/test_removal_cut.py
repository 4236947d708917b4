"""Rows without units that are dead compute the same: answers, gradients, and which units may go at all."""

import pytest
import torch
from architectures import MODELS, named
from removals import FAMILIES, data_of, killed, rows, run_of
from training import dataset, images, mlp, recipe

from isthmus.engine import evaluate
from isthmus.engine.block import Block
from isthmus.engine.recipe import Network, Removal
from isthmus.engine.statistics import refreshed
from isthmus.engine.train import Trainer
from isthmus.errors import UserError
from isthmus.removal.cut import Cut, scalars
from isthmus.removal.dead import dead
from isthmus.symmetry.table import group_sizes


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


def with_dead_units(family, count=3):
    """The architecture, rows of which row r has r units dead in each group, but never all, and who is dead."""
    run, data = run_of(family), data_of(family)
    architecture = Trainer(run, run.networks[:1], data).architecture
    theta = rows(architecture, count)
    for row in range(count):
        for group, n in group_sizes(architecture.layout, architecture.axes).items():
            for unit in range(min(row, n - 1)):
                theta[row : row + 1] = killed(architecture, theta[row : row + 1], group, unit)
    x = data.inputs["train"]
    theta = refreshed(architecture, theta, x, 12)
    return architecture, theta, data, dead(architecture, theta, x)


def test_removing_dead_units_changes_no_answer(family):
    """Reference check 1, in evaluation mode on the data that they are dead on, each row alone and all together."""
    architecture, theta, data, found = with_dead_units(family)
    x = data.inputs["train"]
    wanted = evaluate.logits(architecture, theta, x)
    for group, gone in found.items():
        assert (gone.sum(1) >= torch.arange(3).clamp(max=gone.shape[1] - 1)).all(), group
    live = {group: ~gone for group, gone in found.items()}
    cut = Cut.of(architecture, live)
    zero = torch.where(scalars(architecture.layout, architecture.axes, live), theta, 0.0)
    for answer in (evaluate.logits(architecture, zero, x), evaluate.logits(cut.architecture, cut.take(zero), x)):
        assert (answer - wanted).norm() <= 1e-6 * wanted.norm()
    for row in range(3):
        one = Cut.of(architecture, {group: left[row : row + 1] for group, left in live.items()})
        # Alone a row has exactly its own shape.
        assert one.architecture.layout.trained == cut_size(architecture, live, row)
        answer = evaluate.logits(one.architecture, one.take(theta[row : row + 1]), x)
        assert (answer - wanted[row]).norm() <= 1e-6 * wanted[row].norm()


def cut_size(architecture, live, row):
    left = scalars(architecture.layout, architecture.axes, {g: one[row : row + 1] for g, one in live.items()})
    return int(left[:, : architecture.layout.trained].sum())


def test_a_cut_is_undone_to_the_last_bit(family):
    architecture, theta, _, found = with_dead_units(family)
    live = {group: ~gone for group, gone in found.items()}
    left = scalars(architecture.layout, architecture.axes, live)
    theta, cut = torch.where(left, theta, 0.0), Cut.of(architecture, live)
    assert cut.architecture.layout.size < architecture.layout.size or bool((~found[next(iter(found))][0]).all())
    small, put = cut.take(theta), torch.zeros_like(theta)
    cut.put(put, small)
    assert torch.equal(put, theta)
    trained = architecture.layout.trained
    assert torch.equal(cut.take(theta[:, :trained]), small[:, : cut.architecture.layout.trained])
    assert cut.columns.sort(1).values.diff(dim=1).min() > 0


@pytest.mark.parametrize("name", ["mlp", "cnn, flat", "resnet, no norm"])
def test_removing_dead_units_changes_no_gradient_of_the_others(name):
    """Reference check 2, where there are no statistics: dead on all data is dead in every batch."""
    architecture, theta, data, found = with_dead_units(name)
    live = {group: ~gone for group, gone in found.items()}
    cut, run = Cut.of(architecture, live), run_of(name)
    x, y = (data.inputs["train"][:12].expand(3, *[-1] * (len(architecture.shape) + 1)), data.labels["train"][:12])
    each = y.expand(3, 12)
    wanted = torch.cat(
        [Block(architecture, run, theta[r : r + 1], None).gradient(x[:1], each[:1], {})[0] for r in range(3)]
    )
    small = cut.architecture.layout.trained
    left = scalars(architecture.layout, architecture.axes, live)[:, : architecture.layout.trained]
    zero = cut.take(torch.where(scalars(architecture.layout, architecture.axes, live), theta, 0.0))
    for row in range(3):
        block = Block(cut.architecture, run, zero[row : row + 1], None)
        back = torch.zeros_like(wanted[row : row + 1])
        back.scatter_(1, cut.columns[row : row + 1, :small], block.gradient(x[:1], each[:1], {})[0])
        here = left[row]
        assert torch.allclose(back[0, here], wanted[row, here], rtol=1e-5, atol=1e-7)


def test_a_unit_dead_by_the_statistics_of_all_data_may_fire_in_a_batch():
    """Reference check 2, in training mode: then its removal does change the others' gradients."""
    run, data = run_of("mlp, batch norm"), data_of("mlp, batch norm")
    architecture = Trainer(run, run.networks[:1], data).architecture
    theta, x, y = architecture.initial([0]), data.inputs["train"], data.labels["train"]
    layout, axes = architecture.layout, architecture.axes
    before = x @ layout.split(theta)["layers.0.weight"][0].T
    batches = before.view(5, 12, 9)
    highest = ((batches - batches.mean(1, keepdim=True)) / batches.std(1, correction=0, keepdim=True)).amax(1)
    # How far a unit gets above what it has by the statistics of all data; and the unit that gets furthest.
    overall = ((before - before.mean(0)) / before.std(0, correction=0)).amax(0)
    excess = highest - overall
    unit = int(excess.amax(0).argmax())
    assert excess[:, unit].max() > 0.05
    theta[:, layout.slots["norms.0.bias"].start + unit] = -overall[unit] - 0.01
    assert dead(architecture, refreshed(architecture, theta, x, 60), x)["h0"][0, unit]
    live = {group: torch.ones(1, n, dtype=torch.bool) for group, n in group_sizes(layout, axes).items()}
    live["h0"][0, unit] = False
    left = scalars(layout, axes, live)
    others, firing = left[0, : layout.trained], []
    for start in range(0, 60, 12):
        batch = x[None, start : start + 12], y[None, start : start + 12], {}
        with_it, without = (
            Block(architecture, run, one, None).gradient(*batch)[0][0] for one in (theta, theta * left)
        )
        firing.append(not torch.allclose(with_it[others], without[others], rtol=1e-4, atol=1e-7))
    assert firing == (highest[:, unit] > overall[unit] + 0.01).tolist()
    assert not all(firing)


def test_a_unit_of_a_residual_stream_goes_only_where_it_is_dead_everywhere():
    """Reference check 10, as it is here: a block's input and output share the stream's channels. One that any block
    still reads stays, and the function stays the same."""
    run, data = run_of("resnet"), data_of("resnet")
    architecture = Trainer(run, run.networks[:1], data).architecture
    theta, x = rows(architecture, 1), data.inputs["train"]
    last = theta.clone()
    slot = architecture.layout.slots["stages.0.1.norm2.bias"]
    last[:, slot.start] = -1e4
    everywhere = killed(architecture, theta, "stream0", 0)
    for one, gone_there in ((last, False), (everywhere, True)):
        one = refreshed(architecture, one, x, 12)
        # The last block's output alone is silent in both.
        assert evaluate.silent(architecture, one, x)["stream0"][0, 0]
        assert bool(dead(architecture, one, x)["stream0"][0, 0]) == gone_there


# Model -> why it cannot.
REFUSED = {
    "cnn, layer norm": "a normalisation over its units",
    "cnn, flat": "dropout",
    "vit": "layers of fixed sizes",
    "torchvision": "layers of another package",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_cannot_lose_units_is_refused(name):
    family, settings, shape = MODELS[name]
    run = recipe(model=named(family, settings), removal=Removal(3), networks=(Network(0, 0.1),))
    data = dataset(40, *shape) if len(shape) == 1 else images(shape)
    with pytest.raises(
        UserError, match=f"removal: wanted a model whose units can be removed, found .*{REFUSED[name]}"
    ):
        Trainer(run, run.networks, data)


def test_a_model_without_hidden_units_is_refused():
    run = recipe(model=mlp(), removal=Removal(3))
    with pytest.raises(UserError, match="found no hidden units"):
        Trainer(run, run.networks, dataset())

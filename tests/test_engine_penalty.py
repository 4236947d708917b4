"""A penalty is a term of the loss, noise a normal draw of a given deviation after the update; both by one shape in
time, and each network by its own peak."""

from dataclasses import replace

import pytest
import torch
from architectures import architecture
from torch import nn
from training import dataset, mlp, recipe, trained

from isthmus.engine import schedules
from isthmus.engine.batches import Batches
from isthmus.engine.noise import Noise
from isthmus.engine.penalty import Penalty, spans
from isthmus.engine.recipe import Named, Network
from isthmus.engine.recipe import Noise as NoiseRecipe
from isthmus.engine.recipe import Penalty as PenaltyRecipe
from isthmus.engine.start import Start
from isthmus.engine.train import Trainer
from isthmus.errors import UserError

LASSO = PenaltyRecipe("scale", "lasso", "one_cycle", 12)
NOISE = NoiseRecipe("all", "constant", 12)
SGD = Named("sgd")


def test_one_cycle_at_the_sheets_times():
    values = schedules.over_span("one_cycle", 100, 200)
    assert [values[step] for step in (0, 15, 30, 65, 100)] == pytest.approx([0.04, 0.52, 1.0, 0.500002, 4e-6])
    assert set(values[100:]) == {values[100]}
    assert values[:31] == sorted(values[:31])
    assert values[30:] == sorted(values[30:], reverse=True)


@pytest.mark.parametrize(("form", "gradient"), [("lasso", [0.1, -0.1, 0.0]), ("ridge", [0.05, -0.02, 0.0])])
def test_a_penaltys_gradient_by_hand(form, gradient):
    """Reference check 5: gammas (0.5, -0.2, 0), lambda 0.1."""
    found = torch.zeros(1, 4)
    penalty = Penalty([slice(1, 4)], torch.tensor([[0.2]]), [0.5], form)
    penalty.add(found, torch.tensor([[9.0, 0.5, -0.2, 0.0]]), penalty.at(0))
    assert torch.allclose(found, torch.tensor([[0.0, *gradient]]), atol=1e-9)


@pytest.mark.parametrize(
    ("of", "ends"), [("scale", [".weight"]), ("shift", [".bias"]), ("norm", [".weight", ".bias"])], ids=str
)
def test_what_a_penalty_is_on(of, ends):
    built = architecture("mlp, batch norm")
    chosen = torch.zeros(built.layout.size, dtype=torch.bool)
    for span in spans(built.layout, of):
        assert not chosen[span].any()
        chosen[span] = True
    for name, slot in built.layout.slots.items():
        wanted = name.startswith("norms.") and any(name.endswith(end) for end in ends)
        assert chosen[slot.start : slot.stop].all() == chosen[slot.start : slot.stop].any() == wanted


def test_a_penalty_on_weights_is_on_all_but_biases_and_statistics():
    layout = architecture("cnn, layer norm").layout
    chosen = sum(span.stop - span.start for span in spans(layout, "weights"))
    biases = sum(slot.stop - slot.start for slot in layout.slots.values() if slot.role.kind == "bias")
    assert biases > 0
    assert chosen == layout.trained - biases


def test_a_penalty_on_what_is_not_there():
    with pytest.raises(
        UserError, match=r"penalty.of: wanted parameters of this model \(bias, weight\), found scale"
    ):
        spans(architecture("mlp").layout, "scale")


@pytest.mark.parametrize("optimizer", [SGD, Named("adam", {"weight_decay": 0.01, "decoupled": True})], ids=str)
@pytest.mark.parametrize("of", ["scale", "norm", "weights"])
@pytest.mark.parametrize("form", ["lasso", "ridge"])
def test_training_is_that_of_the_penalised_loss(optimizer, of, form):
    """Against autograd of loss + lambda(t) times the sum, and PyTorch's optimizer: inside Adam's preconditioner."""
    network = Network(3, 0.05, penalty=0.3)
    how = replace(LASSO, of=of, form=form)
    run = recipe(model=mlp(7, 5, norm="batch"), optimizer=optimizer, networks=(network,), penalty=how)
    data = dataset()
    trainer = Trainer(run, run.networks, data)
    layout, peaks = trainer.architecture.layout, schedules.over_span("one_cycle", 12, 12)
    row, fixed = trainer.anchor[0].split([layout.trained, layout.size - layout.trained])
    leaf = nn.Parameter(row.clone())
    kinds = {"scale": ["scale"], "norm": ["scale", "shift"], "weights": ["weight", "scale", "shift"]}[of]
    settings = dict(optimizer.settings)
    kind = torch.optim.SGD if optimizer.name == "sgd" else torch.optim.AdamW
    settings.pop("decoupled", None)
    moving, batches = kind([leaf], lr=0.05, **settings), Batches(run.networks, 40, 8)
    for step in range(12):
        chosen = batches.at(step)[0]
        out = trainer.architecture.logits(
            torch.cat([leaf, fixed])[None], data.inputs["train"][chosen], training=True
        )
        loss = nn.functional.cross_entropy(out[0], data.labels["train"][chosen])
        for slot in layout.parameters.values():
            if slot.role.kind in kinds:
                values = leaf[slot.start : slot.stop]
                summed = values.abs().sum() if form == "lasso" else values.square().sum() / 2
                loss = loss + 0.3 * peaks[step] * summed
        moving.zero_grad()
        loss.backward()
        moving.step()
    found = trained(run, data).tensors["theta"][0, : layout.trained]
    assert (leaf.detach() - row).norm() > 0.05
    assert torch.allclose(found, leaf.detach(), atol=2e-5)


def test_a_network_without_a_peak_does_not_notice_the_others():
    networks = tuple(Network(seed, 0.05, penalty=p, noise=s) for seed in (0, 1) for p, s in ((0, 0), (0.2, 0.01)))
    run = recipe(model=mlp(7, 5, norm="batch"), networks=networks, penalty=LASSO, noise=NOISE)
    plain = recipe(model=run.model, networks=tuple(replace(one, penalty=0.0, noise=0.0) for one in networks))
    found, wanted = (trained(one, dataset()).tensors["theta"] for one in (run, plain))
    assert torch.equal(found[::2], wanted[::2])
    assert (found[1::2] != wanted[1::2]).any(1).all()


@pytest.mark.parametrize("rate", [1e-3, 0.1])
@pytest.mark.parametrize("where", ["all", "live"])
def test_noise_has_the_deviation_that_is_asked_for_whatever_the_rate(where, rate):
    """Reference check 7: over 10^5 draws s(t), not s times the rate, and not the root of s."""
    how = replace(NOISE, where=where, shape="one_cycle", span=2)
    changes = {"model": mlp(300, 300), "optimizer": SGD, "steps": 1, "checkpoints": (0, 1)}
    ran = [
        trained(recipe(networks=(Network(0, rate, noise=peak),), noise=how, **changes), dataset()).tensors["theta"][
            0
        ]
        for peak in (0.0, 0.05)
    ]
    moved = (ran[1] - ran[0])[(ran[1] != ran[0])]
    # One weight in four or so has a gradient here: those between units that answer to some example.
    assert len(moved) > (90_000 if where == "all" else 30_000)
    assert moved.std().item() == pytest.approx(0.05 * schedules.one_cycle(0, 2), rel=0.02)
    assert abs(moved.mean().item()) < 4 * moved.std().item() / len(moved) ** 0.5


def test_live_noise_is_zero_where_the_task_has_no_gradient():
    """Whatever the penalty's gradient is there."""
    networks = (Network(0, 1e-3, noise=0.05, penalty=1.0),)
    noise = Noise.of(
        recipe(networks=networks, noise=replace(NOISE, where="live")), networks, 3, None, torch.device("cpu")
    )
    theta, gradient = torch.zeros(1, 3), torch.tensor([[0.0, 1e-9, -2.0]])
    noise.add(theta, noise.draw(0), noise.at(0), noise.where(gradient))
    assert (theta != 0).tolist() == [[False, True, True]]


def test_noise_is_a_function_of_seed_and_step():
    networks = tuple(Network(seed, 0.05, order, noise=0.01) for seed in (4, 5) for order in (0, 1))
    run = recipe(networks=networks, noise=NOISE)
    together = trained(run, dataset()).tensors["theta"]
    for row, network in enumerate(networks):
        assert torch.equal(trained(run, dataset(), (network,)).tensors["theta"][0], together[row])
    kinds = [Noise.of(run, networks, 50, None, torch.device("cpu")) for _ in range(2)]
    drawn = [torch.zeros(4, 50) for _ in range(3)]
    for theta, (kind, step) in zip(drawn, [(kinds[0], 3), (kinds[1], 3), (kinds[0], 4)], strict=True):
        kind.add(theta, kind.draw(step), kind.at(step), None)
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0][0], drawn[0][1])
    assert len({tuple(row.tolist()) for theta in drawn[1:] for row in theta[::2]}) == 4


def dead_unit(memory=0.0, **changes):
    """A run of an MLP whose hidden unit 2 is dead on all data, the columns of that unit, and its start."""
    run = recipe(model=mlp(7), networks=(Network(0, 0.05, **changes.pop("network", {})),), **changes)
    trainer = Trainer(run, run.networks, dataset())
    slots = trainer.architecture.layout.slots
    unit = torch.zeros(trainer.anchor.shape[1], dtype=torch.bool)
    for name, of_unit in {"layers.0.weight": (2, ...), "layers.0.bias": (2,), "layers.1.weight": (..., 2)}.items():
        slot = slots[name]
        columns = torch.arange(slot.start, slot.stop).view(slot.shape)
        unit[columns[of_unit].flatten()] = True
    theta = trainer.anchor.clone()
    theta[:, slots["layers.0.bias"].start + 2] = -100.0
    velocity = torch.where(unit, memory, 0.0)[None]
    begin = Start(theta=theta, memory={"velocity": velocity} if memory else {})
    return run, unit, begin


def moved(run, begin):
    trainer = Trainer(run, run.networks, dataset(), begin)
    return (trainer.run(trainer.start()).tensors["theta"] - begin.theta)[0]


@pytest.mark.parametrize(("where", "still"), [("live", True), ("all", False)])
def test_a_dead_unit_stays_by_live_noise_and_walks_by_all(where, still):
    """Reference check 6: plain SGD, no decay, no momentum."""
    run, unit, begin = dead_unit(optimizer=SGD, noise=replace(NOISE, where=where), network={"noise": 1e-3})
    found = moved(run, begin)
    assert bool((found[unit] == 0).all()) == still
    assert found[~unit].count_nonzero() > 0.9 * (~unit).sum()


def test_a_dead_unit_coasts_by_its_momentum():
    """The sum of its moves is lr m 0.9 / 0.1 for a buffer m."""
    run, unit, begin = dead_unit(0.01, optimizer=Named("sgd", {"momentum": 0.9}), steps=200, checkpoints=(200,))
    found = moved(run, begin)[unit]
    # The bias of -100 rounds its moves to 1e-5.
    assert torch.allclose(found, torch.full_like(found, -0.05 * 0.01 * 0.9 / 0.1), rtol=1e-3, atol=3e-4)
    assert found.median().item() == pytest.approx(-0.0045, rel=1e-3)

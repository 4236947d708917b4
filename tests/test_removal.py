"""Networks lose units while they train: nothing else about them changes, and they go on where they were stopped."""

from dataclasses import replace
from itertools import islice
from types import SimpleNamespace

import pytest
import torch
from removals import FAMILIES, NETWORKS, data_of, killed, live_of, ran, run_of
from training import KilledError, Steps

from isthmus import tensors
from isthmus.engine import evaluate, saves
from isthmus.engine.checkpoints import train_chunk
from isthmus.engine.fleet import Fleet
from isthmus.engine.recipe import Named, Network, Noise, Penalty, Perturbation, Probe, Removal
from isthmus.engine.start import Start
from isthmus.engine.statistics import refreshed
from isthmus.engine.train import Trainer
from isthmus.removal.cut import scalars
from isthmus.removal.dead import dead

DEAD = (Network(0, 0.05, remove="dead"), Network(1, 0.05, remove="dead"))


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


def test_with_nothing_to_remove_training_is_plain_to_the_last_bit(family):
    """Reference check 3: lambda and noise at zero, looks for dead units: equal until the first one dies."""
    data = data_of(family)
    whole = (seed for seed in range(60) if not any(gone.any() for gone in dead_at_the_start(family, seed).values()))
    networks = tuple(Network(seed, 0.005) for seed in islice(whole, 2))
    plain = run_of(family, networks=networks, removal=None, chunk=2)
    dying = tuple(replace(one, remove="dead") for one in networks)
    off = {"noise": Noise("live", "constant", 25), "penalty": Penalty("weights", "lasso", "constant", 25)}
    looked = replace(plain, networks=dying, removal=Removal(3), **off)
    state, wanted = ran(looked, data), ran(plain, data)
    counts = torch.cat([v.double() for k, v in state.tensors.items() if k.startswith("probe/units/")])
    whole = int((counts == counts[:, :1]).all(0).long().cumprod(0).sum())
    # Each loss is of the rows before its update.
    until = looked.looks[whole - 1] + 1
    assert until > 3
    assert torch.equal(state.tensors["probe/loss"][:, :until], wanted.tensors["probe/loss"][:, :until])
    if whole == len(looked.looks):
        assert torch.equal(state.tensors["step/25/theta"], wanted.tensors["step/25/theta"])


def dead_at_the_start(family, seed):
    run, data = run_of(family), data_of(family)
    architecture, x = Trainer(run, run.networks[:1], data).architecture, data.inputs["train"]
    return dead(architecture, refreshed(architecture, architecture.initial([seed]), x, 12), x)


def test_networks_that_lose_nothing_do_not_notice_those_that_do():
    """Of a block of small MLPs, which are computed together."""
    run, data = run_of("mlp"), data_of("mlp")
    found = ran(run, data).tensors["step/25/theta"][::6]
    plain = replace(run, removal=None, networks=tuple(replace(one, remove=None, units=None) for one in NETWORKS))
    assert torch.equal(found, ran(plain, data).tensors["step/25/theta"][::6])


def test_cut_networks_train_as_masked_ones(family):
    """The oracle: whole rows, with everything that is gone held at zero."""
    run, data = run_of(family, steps=12, checkpoints=(0, 12), penalty=Penalty("weights", "lasso", "constant", 12),
                       noise=Noise("all", "constant", 12)), data_of(family)  # fmt: skip
    run = replace(run, networks=tuple(replace(one, lr=1e-3, penalty=1e-3, noise=1e-3) for one in NETWORKS))
    cut, masked = ran(run, data), ran(run, data, cuts=False)
    moved = cut.tensors["step/12/theta"] - cut.tensors["step/0/theta"]
    for group, left in live_of(cut).items():
        assert torch.equal(left, live_of(masked)[group])
        assert not left[2:6].all()
    assert torch.allclose(cut.tensors["probe/loss"], masked.tensors["probe/loss"], rtol=1e-4)
    away = (cut.tensors["step/12/theta"] - masked.tensors["step/12/theta"]).norm(dim=1)
    # BatchNorm blows up the rounding of what is constant, behind a layer without units.
    alive = cut.tensors["probe/collapsed_at"] < 0
    assert alive.sum() >= 8
    assert (away / moved.norm(dim=1))[alive].max() < 1e-3
    for name, value in masked.memory().items():
        off = (cut.memory()[name] - value).norm(dim=1) / value.norm(dim=1)
        assert off[alive].max() < 1e-3


def test_networks_of_different_widths_in_one_chunk_train_as_each_alone():
    networks = tuple(Network(0, 0.02, remove="random", units=share) for share in (1.0, 0.8, 0.5, 0.2))
    run, data = run_of("mlp, batch norm", networks=networks, chunk=4), data_of("mlp, batch norm")
    together = ran(run, data).tensors["step/25/theta"]
    for row, network in enumerate(networks):
        alone = ran(replace(run, networks=(network,)), data).tensors["step/25/theta"][0]
        assert (together[row] - alone).norm() < 1e-3 * alone.norm()


@pytest.mark.parametrize(
    "optimizer", [Named("sgd", {"momentum": 0.9, "weight_decay": 0.05}), Named("adam")], ids=str
)
def test_what_is_gone_is_zero_to_the_last_bit(family, optimizer):
    """In rows and memory, after every turn, whatever would move it: decay, moments, noise, penalty, a kick."""
    kick = Perturbation(7, "gaussian", 0.1)
    networks = tuple(replace(one, noise=0.01, penalty=0.01, perturbation=kick) for one in NETWORKS)
    moving = {"noise": Noise("all", "constant", 25), "penalty": Penalty("weights", "ridge", "constant", 25)}
    run = run_of(family, networks=networks, optimizer=optimizer, **moving)
    data, seen = data_of(family), []
    trainer = Trainer(run, run.networks, data)
    layout, axes = trainer.architecture.layout, trainer.architecture.axes

    def after(state):
        lost = ~scalars(layout, axes, live_of(state))
        values = [state.tensors["theta"], *state.memory().values()]
        seen.extend(value[lost[:, : value.shape[1]]].abs().sum().item() for value in values)

    state = trainer.run(trainer.start(), after)
    after(state)
    lost = ~scalars(layout, axes, live_of(state))
    assert not state.tensors["step/25/theta"].view(torch.int32)[lost].any()
    assert len(seen) > 10
    assert not any(seen)
    assert (state.tensors["step/25/theta"][~lost] != 0).float().mean() > 0.9


@pytest.mark.parametrize("family", ["mlp, batch norm", "resnet"])
def test_a_killed_job_goes_on_with_the_units_that_were_left(family, tmp_path, monkeypatch):
    monkeypatch.setattr(saves, "time", SimpleNamespace(monotonic=lambda: 0.0))
    networks = tuple(replace(one, noise=0.001, penalty=0.01) for one in NETWORKS[:6])
    run = run_of(family, networks=networks, optimizer=Named("adam"), noise=Noise("live", "one_cycle", 25),
                 penalty=Penalty("scale", "lasso", "one_cycle", 25))  # fmt: skip
    data = data_of(family)

    def job(out, until=None):
        save = tmp_path / f"{out} save"
        train_chunk(run, 0, data, tmp_path / out, save, "code", Steps(until), save_every=0.0)
        return (tmp_path / out).read_bytes()

    # Turns end where units are looked at, at 3, 6, 9, ..., and at 5, 10, ..., where an epoch does.
    for until, saved in ((6, 5), (4, 6), (6, 10), (8, 15)):
        with pytest.raises(KilledError):
            job("again", until)
        assert tensors.header(tmp_path / "again save")["step"] == saved
    assert job("again") == job("whole")


def test_a_fleet_says_what_was_left_when(tmp_path):
    run = run_of("mlp, batch norm", chunk=5, probes=(Probe("loss", (25,)), Probe("dead_units", (25,))))
    data = data_of("mlp, batch norm")
    paths = [tmp_path / f"{index}.safetensors" for index in range(3)]
    for index, path in enumerate(paths):
        train_chunk(run, index, data, path, tmp_path / "save", "code", Steps())
        (tmp_path / "save").unlink(missing_ok=True)
    fleet = Fleet.load(paths, run, data)
    assert fleet.recorded["probe/looked_at"].tolist() == [0, 3, 6, 9, 12, 15, 18, 21, 24, 25] == [*run.looks]
    total = 0
    for group, n in (("h0", 9), ("h1", 8)):
        live, units = fleet.recorded[f"probe/live/{group}"], fleet.recorded[f"probe/units/{group}"]
        assert live.shape == (12, n)
        assert units.shape == (12, 10)
        assert (units.diff(dim=1) <= 0).all()
        assert torch.equal(units[:, -1], live.sum(1))
        assert fleet.probe(f"dead_units/{group}", 25)[~live].all()
        assert (units[[0, 6]] == n).all()
        total = total + units
    # Random and snap at update 0; early at the end of an epoch.
    assert total[[2, 8]].tolist() == [[8] * 10] * 2
    assert total[[3, 9]].tolist() == [[7] * 10] * 2
    assert total[[5, 11], 0].tolist() == [17, 17]
    assert total[[5, 11], -1].tolist() == [10, 10]
    assert fleet.recorded["probe/collapsed_at"].shape == (12,)
    losses, _ = evaluate.evaluate(fleet.architecture, fleet.final, data.inputs["train"], data.labels["train"])
    assert torch.allclose(fleet.probe("loss", 25).double().mean(1), losses, atol=1e-5)


def test_a_network_that_loses_a_whole_layer_is_marked_and_goes_on_as_a_constant():
    run, data = run_of("mlp", networks=DEAD), data_of("mlp")
    architecture = Trainer(run, DEAD, data).architecture
    theta = architecture.initial([0, 1])
    for unit in range(8):
        theta[:1] = killed(architecture, theta[:1], "h1", unit)
    state = ran(run, data, Start(theta=theta))
    assert state.tensors["probe/collapsed_at"].tolist() == [0, -1]
    assert live_of(state)["h1"].sum(1)[0] == 0
    answers = evaluate.logits(architecture, state.tensors["theta"], data.inputs["train"])
    assert (answers[0] == answers[0, :1]).all()
    assert not (answers[1] == answers[1, :1]).all()
    assert state.tensors["probe/diverged_at"].tolist() == [-1, -1]
    # The head's bias alone still learns.
    assert (state.tensors["theta"][0] != theta[0]).sum() > 0
    assert state.tensors["probe/loss"][0, -1] < state.tensors["probe/loss"][0, 0]

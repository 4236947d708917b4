"""Probes in training: recorded at their times and read back, by networks that neither see them nor pay for them."""

import pytest
import torch
from training import NETWORKS, STEPS, KilledError, Steps, dataset, fleet, images, mlp, recipe, trained

from isthmus import run_spec
from isthmus.engine import probes
from isthmus.engine.checkpoints import train_chunk
from isthmus.engine.losses import per_example
from isthmus.engine.recipe import Probe
from isthmus.engine.train import Trainer
from isthmus.errors import UserError

TIMES = (0, 5, STEPS)
COUNT = 9


def probed(setting="standard", times=TIMES, **changes):
    return recipe(setting, probes=tuple(Probe(name, times, COUNT) for name in probes.PROBES), **changes)


@pytest.mark.parametrize("setting", ["standard", "kernel regime", "adam", "dropout", "bfloat16"])
def test_training_does_not_notice_probes(setting):
    data = dataset()
    plain, watched = trained(recipe(setting), data).tensors, trained(probed(setting), data).tensors
    assert all(torch.equal(watched[name], value) for name, value in plain.items())
    assert watched.keys() - plain.keys() == {
        f"probe/{name}/{step}" for step in TIMES for name in
        ("loss", "logits", "gradient_norm", "kernel", *(f"{kind}/h{level}" for kind in ("activations", "dead_units")
                                               for level in (0, 1)))
    }  # fmt: skip


def test_without_probes_nothing_is_called(monkeypatch):
    def refuse(*_):
        raise AssertionError("wanted no probe")

    monkeypatch.setattr(probes, "take", refuse)
    trained(recipe(), dataset())
    with pytest.raises(AssertionError, match="wanted no probe"):
        trained(probed(times=(5,)), dataset())


def test_a_probe_is_called_at_its_times_alone(monkeypatch):
    called, take = [], probes.take
    monkeypatch.setattr(probes, "take", lambda name, view: called.append(name) or take(name, view))
    trained(recipe(probes=(Probe("loss", (0, 7)), Probe("dead_units", (7,)))), dataset())
    assert called == ["loss", "loss", "dead_units"]


@pytest.mark.parametrize("setting", ["standard", "kernel regime"])
def test_what_was_recorded_is_read_back_and_is_of_that_moment(setting, tmp_path):
    """At each time, kicks of that time included; in chunks as in one piece."""
    run, data = probed(setting, checkpoints=TIMES, chunk=3), dataset()
    found = fleet(run, data, tmp_path)
    for step in TIMES:
        x, y, first = data.inputs["train"][:COUNT], data.labels["train"][:COUNT], found.anchor(range(8))
        view = probes.View(found.architecture, found.thetas[step], x, y, "cross_entropy", first)
        for name in probes.PROBES:
            for key, wanted in probes.take(name, view).items():
                assert torch.equal(found.probe(key, step), wanted), (key, step)
    assert found.probe("loss", 5).shape == (len(NETWORKS), COUNT)


def test_what_was_recorded_before_a_kill_is_there_after_it(tmp_path):
    run, data, paths = probed(), dataset(), {name: tmp_path / name for name in ("whole", "killed")}
    train_chunk(run, 0, data, paths["whole"], tmp_path / "fresh", "code", Steps())
    with pytest.raises(KilledError):
        train_chunk(run, 0, data, paths["killed"], tmp_path / "save", "code", Steps(8), save_every=0.0)
    progress = Steps()
    train_chunk(run, 0, data, paths["killed"], tmp_path / "save", "code", progress)
    assert 0 < progress.first < 8
    assert paths["killed"].read_bytes() == paths["whole"].read_bytes()


def test_all_examples_are_the_whole_training_set():
    tensors = trained(recipe(probes=(Probe("loss", (0,)),)), dataset()).tensors
    assert tensors["probe/loss/0"].shape == (len(NETWORKS), 40)


def test_a_probe_sees_examples_without_augmentation_dropout_or_bfloat16():
    data = images()
    changes = {"augment": {"flip": True, "rotate": 90.0}, "precision": "bfloat16"}
    tensors = trained(recipe("dropout", probes=(Probe("loss", (STEPS,)),), **changes), data).tensors
    trainer = Trainer(recipe("dropout"), NETWORKS, data)
    logits = trainer.architecture.logits(tensors["theta"], data.inputs["train"])
    wanted = per_example("cross_entropy", logits, data.labels["train"])
    torch.testing.assert_close(tensors[f"probe/loss/{STEPS}"], wanted)


def test_what_was_not_recorded_is_told_with_what_was(tmp_path):
    found = fleet(recipe(probes=(Probe("loss", (5,)),), memory=(5,)), dataset(), tmp_path)
    with pytest.raises(UserError) as error:
        found.probe("kernel", 5)
    assert str(error.value) == (
        "study.yaml, probes: wanted probe/kernel/5 recorded in this run, found probe/loss/5"
    )
    with pytest.raises(UserError, match=r"recorded in this run, found none$"):
        fleet(recipe(), dataset(), tmp_path).probe("loss", 5)


def test_a_probe_that_there_is_not():
    with pytest.raises(UserError, match=r"probes: wanted one of loss, logits, .*, found 'hessian'$"):
        trained(recipe(probes=(Probe("hessian", (0,)),)), dataset())


def test_the_names_in_a_study_are_the_probes_that_there_are():
    assert set(run_spec.Probe.model_json_schema()["properties"]["probe"]["enum"]) == probes.PROBES.keys()


def test_a_deeper_model_names_its_own_groups():
    run = recipe(model=mlp(4, 4, 4, activation="tanh"), probes=(Probe("dead_units", (0,)),))
    tensors = trained(run, dataset()).tensors
    groups = {name: value for name, value in tensors.items() if name.startswith("probe/dead_units/")}
    assert groups.keys() == {f"probe/dead_units/h{level}/0" for level in range(3)}
    assert not any(value.any() for value in groups.values())

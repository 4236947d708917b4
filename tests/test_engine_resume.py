"""Interrupted is the same as uninterrupted: a killed chunk goes on from its save and ends with the same bits; a
save that does not fit is left aside, with a line that says so."""

import json
import signal
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from training import NETWORKS, STEPS, KilledError, Steps, dataset, recipe

from isthmus import tensors
from isthmus.engine import saves
from isthmus.engine.architecture import Architecture
from isthmus.engine.checkpoints import train_chunk as train
from isthmus.engine.start import Start
from isthmus.errors import UserError
from isthmus.stopping import Requests, StoppedError

KILLED_AT = 7
# Of the fleet's matrix.
SHAPE = (len(NETWORKS), Architecture.of(recipe(), (6,), 3).layout.size)

# A save after every step, however long it takes.
train_chunk = partial(train, save_every=0.0)


@pytest.fixture(autouse=True)
def instant(monkeypatch):
    """Time stands still, so that no save takes any."""
    monkeypatch.setattr(saves, "time", SimpleNamespace(monotonic=lambda: 0.0))


class Asking(Steps):
    """A counter that asks the job to stop in the middle of a step."""

    def __init__(self, at, by=signal.SIGTERM):
        super().__init__()
        self.at, self.by, self.requests = at, by, Requests()

    def advance(self, units=1):
        super().advance(units)
        if self.taken == self.at:
            self.requests.asked = self.by


@pytest.fixture
def job(tmp_path):
    """A job that trains chunk 0 into a file, with what may differ between two calls of it."""
    save = tmp_path / "scratch" / "save.safetensors"

    def run(out="out", until=None, setting="adam", code="code", data=None, start=None, asking=None, **changes):
        progress, requests = asking or Steps(until), asking and asking.requests
        path, given = tmp_path / f"{out}.safetensors", recipe(setting, **changes)
        train_chunk(given, 0, data or dataset(), path, save, code, progress, start, requests=requests)
        save.unlink()
        return path.read_bytes(), progress

    run.save = save
    return run


@pytest.mark.parametrize("setting", ["standard", "adam", "triangle", "kernel regime"])
def test_a_killed_job_goes_on_where_it_was_saved_and_ends_with_the_same_bits(setting, job, capsys):
    whole, progress = job("whole", setting=setting)
    assert (progress.first, progress.taken) == (0, STEPS)
    with pytest.raises(KilledError):
        job(setting=setting, until=KILLED_AT)
    assert tensors.header(job.save)["step"] == KILLED_AT - 1
    resumed, progress = job(setting=setting)
    assert (progress.first, progress.taken) == (KILLED_AT - 1, STEPS - KILLED_AT + 1)
    assert f"going on from step {KILLED_AT - 1}" in capsys.readouterr().out
    assert resumed == whole


def test_a_job_killed_at_every_step_ends_with_the_same_bits(job):
    whole, _ = job("whole")
    for _ in range(1, STEPS):
        with pytest.raises(KilledError):
            job(until=2)
    assert tensors.header(job.save)["step"] == STEPS - 1
    assert job()[0] == whole


def other(what):
    return {
        "recipe": {"networks": (replace(NETWORKS[0], lr=0.2), *NETWORKS[1:])},
        "code": {"code": "changed"},
        "data": {"data": dataset(seed=1)},
        "start": {"start": Start(mask=torch.ones(SHAPE).cumsum(1) % 3 > 0)},
    }[what]


@pytest.mark.parametrize("what", ["recipe", "code", "data", "start"])
def test_a_save_of_another_recipe_code_data_or_start_is_not_taken_up(what, job, capsys):
    fresh, _ = job("fresh", **other(what))
    with pytest.raises(KilledError):
        job(until=KILLED_AT)
    capsys.readouterr()
    again, progress = job(**other(what))
    assert (progress.first, progress.taken) == (0, STEPS)
    line, _ = capsys.readouterr().out.splitlines()
    assert line == f"starting over: {job.save}: wanted a save of this {what}, found another's"
    assert again == fresh


def test_a_save_of_one_start_is_not_taken_up_by_another(job, capsys):
    one, two = (Start(theta=torch.full(SHAPE, value)) for value in (0.1, 0.2))
    fresh, _ = job("fresh", start=two)
    with pytest.raises(KilledError):
        job(until=KILLED_AT, start=one)
    again, progress = job(start=two)
    assert (progress.first, again) == (0, fresh)
    assert "wanted a save of this start, found another's" in capsys.readouterr().out


def test_a_chunk_in_the_place_of_a_save_is_not_taken_up(job, tmp_path):
    whole, _ = job("whole")
    job.save.write_bytes(whole)
    again, progress = job()
    assert (progress.first, again) == (0, whole)


@pytest.mark.parametrize(("by", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_job_that_is_asked_to_stop_ends_its_step_saves_and_goes_on_later(by, code, job):
    whole, _ = job("whole")
    with pytest.raises(StoppedError) as stopped:
        job(asking=Asking(KILLED_AT, by))
    outlook = f"the same command goes on from step {KILLED_AT} ({job.save})"
    assert str(stopped.value) == f"stopped by {by.name} after step {KILLED_AT} of {STEPS}; {outlook}"
    assert stopped.value.code == code
    again, progress = job()
    assert (progress.first, progress.taken) == (KILLED_AT, STEPS - KILLED_AT)
    assert again == whole


def test_a_request_in_the_last_step_lets_the_job_end(job):
    whole, _ = job("whole")
    assert job(asking=Asking(STEPS))[0] == whole


def test_a_save_of_another_chunk_is_not_taken_up(tmp_path):
    run, save = recipe(chunk=4), tmp_path / "save.safetensors"
    with pytest.raises(KilledError):
        train_chunk(run, 0, dataset(), tmp_path / "0.safetensors", save, "code", Steps(KILLED_AT))
    progress = Steps()
    train_chunk(run, 1, dataset(), tmp_path / "1.safetensors", save, "code", progress)
    assert progress.first == 0


def test_nothing_is_written_where_a_chunk_was_before_it_is_whole(job, tmp_path):
    with pytest.raises(KilledError):
        job(until=KILLED_AT)
    assert not (tmp_path / "out.safetensors").exists()


def test_a_finished_chunk_says_what_it_is(tmp_path):
    run, out = recipe(chunk=5), tmp_path / "chunk.safetensors"
    train_chunk(run, 1, dataset(), out, tmp_path / "save", "fingerprint", Steps())
    kept, header = tensors.load(out)
    assert json.loads(header["recipe"]) == json.loads(run.canonical())
    assert (header["rows"], header["data"], header["code"]) == ([5, 8], "checksum 0", "fingerprint")
    assert header["layout"]["layers.0.weight"] == [0, 42, 7, 6]
    names = {"probe/loss", "probe/diverged_at", "probe/changed"}
    assert kept.keys() == names | {f"step/{step}/theta" for step in run.checkpoints}
    assert {len(tensor) for tensor in kept.values()} == {3}


@pytest.mark.parametrize("which", ["out", "save"])
def test_a_place_that_cannot_be_written_to_is_told_before_the_first_step(which, tmp_path):
    (tmp_path / which).write_text("a file where a folder should be")
    progress = Steps()
    with pytest.raises(UserError, match=rf"{which}/x: wanted a place that can be written to, found none \("):
        train_chunk(recipe(), 0, dataset(), tmp_path / "out/x", tmp_path / "save/x", "code", progress)
    assert progress.taken == 0

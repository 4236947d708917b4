"""Interrupted is the same as uninterrupted: a killed chunk goes on from its save and ends with the same bits; a
save that does not fit is left aside, with a line that says so."""

import json
from dataclasses import replace

import pytest
from training import NETWORKS, STEPS, KilledError, Steps, dataset, recipe

from isthmus import tensors
from isthmus.engine import checkpoints
from isthmus.engine.checkpoints import train_chunk
from isthmus.errors import UserError

KILLED_AT = 7


@pytest.fixture(autouse=True)
def every_step(monkeypatch):
    """A save after every step."""
    monkeypatch.setattr(checkpoints, "SAVE_EVERY", 0.0)


@pytest.fixture
def job(tmp_path):
    """A job that trains chunk 0 into a file, with what may differ between two calls of it."""

    def run(out="out", until=None, setting="adam", code="code", data=None, **changes):
        progress = Steps(until)
        paths = tmp_path / f"{out}.safetensors", tmp_path / "scratch" / "save.safetensors"
        given = recipe(setting, **changes)
        train_chunk(given, 0, data or dataset(), *paths, code, progress)
        assert not paths[1].exists()
        return paths[0].read_bytes(), progress

    run.save = tmp_path / "scratch" / "save.safetensors"
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
    }[what]


@pytest.mark.parametrize("what", ["recipe", "code", "data"])
def test_a_save_of_another_recipe_code_or_data_is_not_taken_up(what, job, capsys):
    fresh, _ = job("fresh", **other(what))
    with pytest.raises(KilledError):
        job(until=KILLED_AT)
    again, progress = job(**other(what))
    assert (progress.first, progress.taken) == (0, STEPS)
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"starting over: {job.save} was saved by another recipe, other data or other code"
    assert again == fresh


def test_a_truncated_save_is_not_taken_up(job, capsys):
    whole, _ = job("whole")
    with pytest.raises(KilledError):
        job(until=KILLED_AT)
    job.save.write_bytes(job.save.read_bytes()[:-100])
    again, progress = job()
    assert progress.first == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"starting over: {job.save}: wanted an intact safetensors file")
    assert again == whole


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


def test_a_save_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "scratch").write_text("a file where a folder should be")
    save = tmp_path / "scratch" / "save.safetensors"
    with pytest.raises(UserError, match=r"save\.safetensors: could not be written"):
        train_chunk(recipe(), 0, dataset(), tmp_path / "out.safetensors", save, "code", Steps())

"""Full and read-only disks and damaged files: nothing is lost, and one line says what happened and what to do."""

import errno
import os
import pickle
import random
import re
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import pytest
from disks import mounted
from training import NETWORKS, STEPS, Steps, dataset, recipe
from troubled import flipped, job, killed, whole, write_data

from isthmus import tensors
from isthmus.data import prepared
from isthmus.engine.checkpoints import train_chunk
from isthmus.engine.fleet import Fleet
from isthmus.engine.recipe import Network
from isthmus.errors import UserError


@pytest.fixture
def disk(tmp_path):
    with mounted(tmp_path / "disk") as disk:
        yield disk


FULL = r"could not be written \([^\n]*No space left on device[^\n]*\)"


def test_a_save_for_which_there_is_no_room_is_told_once_and_training_goes_on(disk, tmp_path, capsys):
    save = disk.path / "save"

    def look():
        assert tensors.load(save)[1]["step"] == 4
        assert {path.name for path in disk.path.iterdir()} == {"save", "filler"}

    again, _ = job(tmp_path / "out", save, {5: disk.fill, 8: look, 9: disk.clear})
    unsaved, saved, _ = capsys.readouterr().out.splitlines()
    outlook = re.escape(f"killed, it goes on from step 4 ({save})")
    assert re.fullmatch(
        rf"training goes on unsaved from step 5: {re.escape(str(save))}: {FULL}; {outlook}", unsaved
    )
    assert saved == "saved again at step 9"
    assert again == whole()


@pytest.mark.parametrize("place", ["disk", "elsewhere"])
def test_a_chunk_for_which_there_is_no_room_is_written_by_the_same_command_later(place, disk, tmp_path):
    """A save elsewhere is of the last step, so that nothing is trained again; one on the full disk is the last that
    there was room for."""
    out, save = disk.path / "out", (disk.path if place == "disk" else tmp_path) / "save"
    kept = 4 if place == "disk" else STEPS
    with pytest.raises(UserError) as error:
        job(out, save, {5: disk.fill})
    outlook = re.escape(f"with room for it, the same command goes on from step {kept} ({save})")
    assert re.fullmatch(rf"{re.escape(str(out))}: {FULL}; {outlook}", str(error.value))
    assert not out.exists()
    disk.clear()
    again, counter = job(out, save)
    assert (counter.first, counter.taken) == (kept, STEPS - kept)
    assert again == whole()


@pytest.mark.parametrize("which", ["out", "save"])
@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_cannot_be_written_to_is_told_before_the_first_step(fault, which, disk, tmp_path):
    paths = {name: (disk.path if name == which else tmp_path) / name for name in ("out", "save")}
    if fault == "full":
        disk.fill()
    else:
        disk.become("ro")
    counter = Steps()
    with pytest.raises(UserError) as error:
        train_chunk(recipe(), 0, dataset(), paths["out"], paths["save"], "code", counter)
    says = {"full": "No space left on device", "read-only": "Read-only file system"}[fault]
    assert str(error.value) == f"{paths[which]}: wanted a place that can be written to, found none ({says})"
    assert counter.taken == 0


def test_a_log_on_a_full_disk_does_not_end_the_training(tmp_path):
    def fail():
        raise OSError(errno.ENOSPC, "No space left on device")

    log = SimpleNamespace(write=lambda text: fail())
    with redirect_stdout(log):
        assert job(tmp_path / "out", tmp_path / "save", {3: fail, 4: fail})[0] == whole()


def test_a_damaged_save_is_told_and_the_run_starts_over(tmp_path, capsys):
    """Bits flipped at many places of the header, of what it says of tensors, and of their content."""
    save, rng, wanted = tmp_path / "save", random.Random(0), whole()
    killed(save)
    intact = save.read_bytes()
    header = 8 + int.from_bytes(intact[:8], "little")
    places = [*range(8), *rng.sample(range(8, header), 20), *rng.sample(range(header, len(intact)), 12)]
    capsys.readouterr()
    for damaged in (*(flipped(intact, place, rng) for place in places), intact[:-1], intact[:100], b""):
        save.write_bytes(damaged)
        again, counter = job(tmp_path / "out", save)
        line, _ = capsys.readouterr().out.splitlines()
        assert line.startswith(f"starting over: {save}: wanted ")
        assert (counter.first, again) == (0, wanted)


class Opened:
    """Pickled, it makes a file when it is read."""

    def __reduce__(self):
        return os.mkdir, ("trap",)


def test_a_pickle_in_the_place_of_a_save_is_not_opened(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("save").write_bytes(pickle.dumps(Opened()))
    assert job(Path("out"), Path("save"))[0] == whole()
    assert capsys.readouterr().out.startswith("starting over: save: wanted an intact safetensors file, found none")
    assert not Path("trap").exists()


@pytest.mark.parametrize("kind", ["chunk", "prepared data"])
def test_a_flipped_bit_of_a_chunk_or_of_prepared_data_is_told_in_one_line(kind, tmp_path):
    path, rng, run = tmp_path / "file", random.Random(0), recipe("adam")
    if kind == "chunk":
        path.write_bytes(whole())
    else:
        write_data(path)
    intact = path.read_bytes()
    for place in rng.sample(range(len(intact)), 60):
        path.write_bytes(flipped(intact, place, rng))
        with pytest.raises(UserError) as error:
            Fleet.load([path], run, dataset()) if kind == "chunk" else prepared.load(path)
        assert str(error.value).startswith(f"{path}: wanted ")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("networks", [NETWORKS[:2], (NETWORKS[0], Network(9, 1e30), *[Network(8, 1e30)] * 6)])
def test_the_log_says_at_the_end_how_many_networks_diverged_and_when(networks, tmp_path, capsys):
    run, out = recipe("plain sgd", networks=networks), tmp_path / "out"
    train_chunk(run, 0, dataset(), out, tmp_path / "save", "code", Steps())
    (line,) = capsys.readouterr().out.splitlines()
    steps = tensors.load(out)[0]["probe/diverged_at"].tolist()
    if len(networks) == 2:
        assert line == f"{STEPS} of {STEPS} steps taken with 2 networks, none diverged"
    else:
        assert steps[0] == -1
        said = f"row 1 (seed 9, lr 1e+30) at step {steps[1]}, row 2 (seed 8, lr 1e+30) at step {steps[2]}, "
        assert line.startswith(f"{STEPS} of {STEPS} steps taken with 8 networks, 7 diverged: {said}")
        assert line.endswith(", and 2 more")

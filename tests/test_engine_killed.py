"""Real processes, really killed: what was saved is gone on from, and the bits at the end are the same."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from kills import RUNS, STEPS, Jobs
from training import Steps, dataset, recipe

from isthmus import cli, tensors
from isthmus.engine.checkpoints import train_chunk
from isthmus.stopping import Requests

KILLS = 5


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    return Jobs(tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize("number", range(KILLS))
def test_kill_9_at_any_moment_costs_nothing_but_what_came_after_the_last_save(number, jobs):
    kill = jobs.kill(RUNS[number % len(RUNS)], random.Random(number))
    print(kill)
    assert kill.same
    assert 0 < kill.found == kill.resumed == STEPS - kill.taken


def begun(job):
    """The job, once its training has begun."""
    assert re.fullmatch(r"about \d+ MB of cpu memory for \d networks\n", job.stdout.readline())
    time.sleep(0.1)
    assert job.poll() is None
    return job


@pytest.mark.parametrize(("by", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_job_that_is_asked_to_stop_saves_at_once_and_goes_on_when_called_again(by, code, jobs):
    job = begun(jobs.start("sgd", save_every=1000))
    job.send_signal(by)
    (line,) = job.communicate(timeout=60)[1].splitlines()
    step = tensors.header(jobs.save("sgd"))["step"]
    assert job.returncode == code
    place, save = f"after step {step} of {STEPS}", jobs.save("sgd").relative_to(jobs.root)
    assert line == f"isthmus: stopped by {by.name} {place}; the same command goes on from step {step} ({save})"
    assert jobs.taken_up("sgd") == (step, STEPS - step, jobs.whole["sgd"])


# Trains as the tests do, and is killed while its third save is written.
KILLED_WHILE_SAVING = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from training import Steps, dataset, recipe
from isthmus import cli, tensors
from isthmus.engine import saves
from isthmus.engine.checkpoints import train_chunk

saves.time = SimpleNamespace(monotonic=lambda: 0.0)
whole, written = tensors.save_file, []

def save_file(content, path, metadata):
    whole(content, path, metadata)
    written.append(path)
    if len(written) == 3:
        os.truncate(path, 1000)
        os.kill(os.getpid(), signal.SIGKILL)

tensors.save_file = save_file
train_chunk(recipe(), 0, dataset(), Path("out"), Path("scratch/save"), "code", Steps(), save_every=0.0)
"""


def test_a_kill_while_a_save_is_written_leaves_the_one_before_it(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED_WHILE_SAVING]
    killed = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    save = tmp_path / "scratch/save"
    found = tensors.header(save)["step"]
    assert len([*save.parent.iterdir()]) == 3, "the save, and what `atomic` and safetensors had begun"
    progress = Steps()
    train_chunk(recipe(), 0, dataset(), tmp_path / "out", save, "code", progress)
    assert (progress.first, progress.taken) == (found, recipe().steps - found)
    assert [*save.parent.iterdir()] == [save]
    train_chunk(recipe(), 0, dataset(), tmp_path / "whole", tmp_path / "none", "code", Steps())
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()


@contextmanager
def building(jobs, *arguments):
    """Snakemake, in a group of processes of its own, making the sgd run's first chunk; and its training process."""
    command = ["snakemake", str(jobs.out("sgd").relative_to(jobs.root)), "--cores", "1", *arguments]
    environment = {
        **os.environ,
        "PYTHONPATH": str(jobs.root / "src"),
        "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
    }
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    log = jobs.root / "logs/laptop/toy/train.sgd.000.log"
    log.unlink(missing_ok=True)
    with subprocess.Popen(command, cwd=jobs.root, env=environment, start_new_session=True, **streams) as snakemake:
        while not (log.exists() and "cpu memory" in log.read_text()):
            assert snakemake.poll() is None, snakemake.stdout.read()
            time.sleep(0.01)
        time.sleep(0.1)
        (training,) = [
            child
            for child in psutil.Process(snakemake.pid).children(recursive=True)
            if child.cmdline()[1:4] == ["-m", "isthmus", "train"]
        ]
        yield snakemake, training


def log_of(jobs):
    return (jobs.root / "logs/laptop/toy/train.sgd.000.log").read_text()


def test_snakemake_tries_a_job_that_was_asked_to_stop_again_and_it_goes_on(jobs):
    with building(jobs, "--retries", "1") as (snakemake, training):
        training.send_signal(signal.SIGTERM)
        said, _ = snakemake.communicate(timeout=300)
    assert snakemake.returncode == 0, said
    assert "Trying to restart job" in said
    assert re.search(r"^isthmus: stopped by SIGTERM after step \d+ of", said, flags=re.MULTILINE)
    resumed, taken = (
        int(found) for found in re.search(rf"from step (\d+) [^\0]*^(\d+) of {STEPS}", log_of(jobs), re.M).groups()
    )
    assert 0 < resumed == STEPS - taken
    assert jobs.out("sgd").read_bytes() == jobs.whole["sgd"]
    jobs.out("sgd").unlink()


def test_ctrl_c_in_a_terminal_stops_snakemake_and_what_it_trains_and_the_next_call_goes_on(jobs):
    with building(jobs) as (snakemake, training):
        os.killpg(snakemake.pid, signal.SIGINT)
        snakemake.communicate(timeout=300)
    assert snakemake.returncode != 0
    assert not training.is_running()
    assert "isthmus: stopped by SIGINT after step" in log_of(jobs)
    step = tensors.header(jobs.save("sgd"))["step"]
    with building(jobs) as (snakemake, _):
        assert snakemake.wait(timeout=300) == 0
    assert f"going on from step {step} " in log_of(jobs)
    assert jobs.out("sgd").read_bytes() == jobs.whole["sgd"]


def test_a_second_ctrl_c_stops_at_once():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Requests() as requests:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert requests.asked is signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Requests() as requests:
            os.kill(os.getpid(), signal.SIGINT)
        assert requests.asked is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("given", ["x", "-1", "nan"])
def test_a_time_between_saves_that_is_none(given, capsys):
    assert cli.main(["train", "butterfly", "main", "0", "--save-every", given]) == 2
    wanted = f"argument --save-every: wanted seconds, 0 or more, found {given!r}"
    assert capsys.readouterr().err == f"isthmus: {wanted} (see `isthmus train --help`)\n"


def test_ctrl_c_in_any_other_command_is_answered_in_one_line(monkeypatch, capsys):
    def interrupted(**options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_function", lambda command: interrupted)
    assert cli.main(["judge", "butterfly"]) == 130
    assert capsys.readouterr().err == "isthmus: stopped by Ctrl-C\n"

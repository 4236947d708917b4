"""A job that cannot have its memory says how much it wanted and what to change, and loses nothing that was done."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from checkouts import Checkout
from training import recipe
from troubled import At, instant_saves, job, whole, write_data

from isthmus.data.prepare import prepare
from isthmus.engine import memory
from isthmus.verbs.train import train


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you"
        ),
    ],
)
def test_memory_that_runs_out_in_training_costs_nothing_but_what_came_after_the_last_save(error, tmp_path):
    def fail():
        raise error

    write_data(tmp_path / "data")
    files = tmp_path / "data", tmp_path / "out", tmp_path / "save", "code"
    wanted = r"^about \d+ MB of cpu memory for 8 networks$"
    with pytest.raises(MemoryError, match=wanted), instant_saves():
        train(recipe("adam"), 0, *files, At({7: fail}), save_every=0.0)
    again, counter = job(*files[1:3])
    assert (counter.first, again) == (6, whole())


def test_a_fault_of_another_kind_is_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="shapes"), memory.told("memory"):
        raise RuntimeError("shapes do not fit")


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose toy room has a run with networks of 6 GB each."""
    made = Checkout.make(tmp_path / "checkout")
    study = made.root / "src/isthmus/papers/toy/study.yaml"
    text = study.read_text()
    block = text[text.index("  sgd: &standard\n") : text.index("  adam:\n")].replace("sgd: &standard", "huge:")
    study.write_text(text.replace("runs:\n", "runs:\n" + block.replace("[8]", "[40000, 40000]")))
    key = "digits/draw-1000/unit"
    prepare(key, made.root / f"data/prepared/{key}.safetensors", None)
    return made


def test_a_job_that_cannot_have_its_memory_says_how_much_it_wanted_and_which_keys_to_change(checkout):
    train = "python -m isthmus train toy"
    checkout.must(*f"{train} sgd 0".split())
    before = checkout.result("runs/sgd/chunk-000.safetensors").read_bytes()
    done = checkout.run("bash", "-c", f"ulimit -v 8000000; {train} huge 0")
    assert done.returncode == 2
    log, line = done.stdout.splitlines()
    needed = int(re.fullmatch(r"about (\d+) MB of cpu memory for 3 networks", log)[1])
    rows = 3 * 4 * (64 * 40000 + 40000**2) / 1e6
    assert 0 < needed - 4 * rows < 2000, "theta, theta_0, the velocity and the last checkpoint, beside libraries"
    assert line == (
        f"isthmus: src/isthmus/papers/toy/study.yaml: runs.huge.chunk: wanted {log}, found too little; "
        "lower it from 3, or raise scales.laptop.resources.mem_mb from 4000 where that is the limit"
    )
    assert checkout.result("runs/sgd/chunk-000.safetensors").read_bytes() == before


# Prints the megabytes that were foreseen for a fleet, and those that its training took.
MEASURED = """
from pathlib import Path
from training import Steps, dataset, mlp, recipe
from isthmus.engine import memory
from isthmus.engine.checkpoints import train_chunk

data, run = dataset(500, 784, 10), recipe("adam", model=mlp(400, 400), batch=50)
foreseen = memory.megabytes(run, run.chunks[0], data)
train_chunk(run, 0, data, Path("out"), Path("save"), "code", Steps(), save_every=0.0)
print(foreseen, round(memory.held() / 1e6))
"""


def test_the_memory_that_is_foreseen_is_about_what_training_takes(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    said = subprocess.check_output([sys.executable, "-c", MEASURED], cwd=tmp_path, env=environment, text=True)
    foreseen, taken = (int(number) for number in said.splitlines()[-1].split())
    assert 0.9 * taken < foreseen < 1.3 * taken

"""A chain of pruning rounds on real calls of Snakemake: its rounds are jobs, and killed it goes on at its round."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from checkouts import Checkout

from isthmus import tensors

CHAIN = """
  imp:
    <<: *standard
    time: 5000it
    branch: {run: sgd, at: 5it}
    rounds: {of: sgd, through: [0.5]}
    chunk: 6

tables:
  imp_norms: {function: norms, runs: [imp_04], settings: {power: 2}}
"""
STUDY = "src/isthmus/papers/toy/study.yaml"
TABLE = "results/laptop/toy/tables/imp_norms.csv"
ROUNDS = [f"train.imp_0{place}.000" for place in (1, 2, 3, 4)]


def chunk(checkout, place):
    return checkout.result(f"runs/imp_0{place}/chunk-000.safetensors")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy of the project whose toy room has a chain, killed in its second round, then built; and that round's
    time of writing before the kill."""
    checkout = Checkout.make(tmp_path_factory.mktemp("chain"))
    study = checkout.root / STUDY
    text = study.read_text().replace("\ntables:\n", CHAIN)
    study.write_text(text.replace("    chunk: 3\n", "    chunk: 3\n    checkpoints: [5it]\n", 1))
    tools = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
                                "PYTHONPATH": str(checkout.root / "src")}  # fmt: skip
    environment.pop("ISTHMUS_ROOT", None)
    nothing = subprocess.DEVNULL
    going = subprocess.Popen(["snakemake", TABLE, "--cores", "1"], cwd=checkout.root, env=environment,
                             stdout=nothing, stderr=nothing, start_new_session=True)  # fmt: skip
    log = checkout.root / "logs/laptop/toy/train.imp_02.000.log"
    deadline = time.monotonic() + 300
    while not (log.is_file() and "memory for 6 networks" in log.read_text()):
        assert going.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(going.pid, signal.SIGKILL)
    going.wait()
    assert not chunk(checkout, 2).exists()
    first = chunk(checkout, 1).stat().st_mtime_ns
    checkout.must("snakemake", "--unlock", "--cores", "1")
    assert checkout.plan(TABLE) == {*ROUNDS[1:], "measure.imp_norms"}
    checkout.must("snakemake", TABLE, "--cores", "1")
    return checkout, first


def test_a_killed_chain_goes_on_at_its_round_and_ends_with_the_same_bits(built):
    checkout, first = built
    assert chunk(checkout, 1).stat().st_mtime_ns == first
    after_kill = [chunk(checkout, place).read_bytes() for place in (2, 3, 4)]
    for place in (2, 3, 4):
        chunk(checkout, place).unlink()
    checkout.must("snakemake", str(chunk(checkout, 4).relative_to(checkout.root)), "--cores", "1")
    assert [chunk(checkout, place).read_bytes() for place in (2, 3, 4)] == after_kill


def test_each_round_prunes_what_the_one_before_it_left(built):
    checkout, _ = built
    masks = [tensors.load(chunk(checkout, place))[0]["probe/mask"] for place in (1, 2, 3, 4)]
    for before, after in pairwise(masks):
        assert not (after & ~before).any()
    # 64 x 8 + 8 x 10 weights; 18 biases are never pruned.
    assert [int(mask[0].sum()) - 18 for mask in masks] == [round(592 * share) for share in (0.8, 0.64, 0.512, 0.5)]


def test_what_reruns_after_a_change(built):
    checkout, _ = built
    with checkout.edited(STUDY, "through: [0.5]", "through: [0.45]"):
        assert checkout.plan(TABLE) == {ROUNDS[3], "measure.imp_norms"}
    with checkout.edited(
        "src/isthmus/pruning/by_size.py", "return masks.magnitude(", "return 1 and masks.magnitude("
    ):
        assert checkout.plan(TABLE) == {*ROUNDS, "measure.imp_norms"}
    with checkout.edited("src/isthmus/pruning/taken.py", "return scene.given", "return 1 and scene.given"):
        assert checkout.plan(TABLE) == set()
    with checkout.edited("src/isthmus/symmetry/activations.py", "KINDS = (", "OTHERS = ()\nKINDS = ("):
        assert {*ROUNDS} & checkout.plan(TABLE) == set()

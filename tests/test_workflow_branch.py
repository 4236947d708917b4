"""A run that branches from another, and the device, on real calls of Snakemake: what is built, and what a change of
the parent reruns."""

import pytest
import torch
from checkouts import Checkout

from isthmus import tensors

CHILD = """
  child:
    <<: *standard
    branch: {run: sgd, at: 5it, memory: true}
    chunk: 6

tables:
  child_norms: {function: norms, runs: [child], settings: {power: 2}}
"""
TABLE = "results/laptop/toy/tables/child_norms.csv"
ALL = {"train.sgd.000", "train.sgd.001", "train.child.000", "measure.child_norms"}
STUDY = "src/isthmus/papers/toy/study.yaml"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy of the project whose toy room has a branch, measured."""
    checkout = Checkout.make(tmp_path_factory.mktemp("branch"))
    study = checkout.root / STUDY
    text = (
        study.read_text()
        .replace("\ntables:\n", CHILD)
        .replace("    chunk: 3\n", "    chunk: 3\n    memory: [5it]\n", 1)
    )
    study.write_text(text)
    done = checkout.snakemake(TABLE)
    assert done.returncode == 0, done.stdout
    return checkout


def fleet(built, run, chunks):
    """The last rows of a run, and the headers of its chunks."""
    loaded = [tensors.load(built.result(f"runs/{run}/chunk-{index:03d}.safetensors")) for index in range(chunks)]
    return torch.cat([found["step/10/theta"] for found, _ in loaded]), [header for _, header in loaded]


def test_the_branch_is_built_from_its_parents_chunks_and_ends_with_its_bits(built):
    parent, _ = fleet(built, "sgd", 2)
    child, (header,) = fleet(built, "child", 1)
    assert torch.equal(child, parent)
    assert header["start"] is not None
    assert built.plan(TABLE) == set()
    log = (built.root / "logs/laptop/toy/train.child.000.log").read_text().splitlines()
    assert log[0].startswith("python -m isthmus train toy child 0 --scale laptop --device cpu")


def test_a_changed_number_of_the_parent_reruns_the_branch_and_names_it(built):
    with built.edited(STUDY, "    memory: [5it]", "    memory: [5it]\n    checkpoints: [7it]"):
        assert built.plan(TABLE) == ALL
    with built.edited(STUDY, "chunk: 6\n\ntables", "chunk: 6\n    lr: 0.2\n\ntables"):
        assert built.plan(TABLE) == ALL - {"train.sgd.000", "train.sgd.001"}


def test_a_parent_that_is_gone_is_trained_again_once_its_branch_is_needed(built):
    gone = [built.result(f"runs/{chunk}.safetensors") for chunk in ("sgd/chunk-001", "child/chunk-000")]
    before = [chunk.read_bytes() for chunk in gone]
    try:
        gone[0].unlink()
        assert built.plan(TABLE) == set()
        gone[1].unlink()
        assert {"train.sgd.001", "train.child.000"} <= built.plan(f"{gone[1].relative_to(built.root)}")
    finally:
        for chunk, content in zip(gone, before, strict=True):
            chunk.write_bytes(content)


def test_the_config_names_the_device_and_rebuilds_nothing_for_it(built):
    assert "Nothing to be done" in built.must("snakemake", TABLE, "--cores", "1", "--config", "device=cuda")
    shown = built.must("snakemake", TABLE, "--cores", "1", "--config", "device=cuda", "-np", "--forcerun", "train")
    assert "python -m isthmus train toy child 0 --scale laptop --device cuda" in shown
    done = built.snakemake(TABLE, "--config", "device=gpu", "--dry-run")
    assert done.returncode == 2
    assert "isthmus: config/config.yaml: device: wanted 'cpu' or 'cuda', found 'gpu'" in done.stdout

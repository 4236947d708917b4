"""DVC runs the same graph, one stage a paper, and moves data, fleets and results to a folder and back."""

import json
import subprocess

import pytest
from checkouts import Checkout


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A git checkout in which `dvc repro` has built the toy room and pushed it to a folder."""
    checkout = Checkout.make(tmp_path_factory.mktemp("recorded"))
    checkout.must("isthmus", "sync")
    git(checkout, "init", "--quiet")
    checkout.must("dvc", "repro", "--quiet")
    checkout.must("dvc", "remote", "add", "--default", "store", str(tmp_path_factory.mktemp("store")))
    checkout.must("dvc", "remote", "modify", "store", "verify", "true")
    checkout.must("dvc", "push", "--quiet")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message", "Results")
    return checkout


def git(checkout, *arguments):
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *arguments], cwd=checkout.root, check=True, capture_output=True)


def test_a_second_repro_does_nothing(recorded):
    shown = recorded.must("dvc", "repro")
    assert "Stage 'paper@toy' didn't change, skipping" in shown
    assert "Running" not in shown
    assert "up to date" in recorded.must("dvc", "status")


def test_metrics_are_the_verdicts(recorded):
    shown = json.loads(recorded.must("dvc", "metrics", "show", "--json"))
    claims = shown[""]["data"]["results/laptop/toy/verdict.json"]["data"]["claims"]
    assert claims["C1"]["verdict"] in ("holds", "unclear")


def test_git_tracks_verdicts_and_no_other_result(recorded):
    tracked = subprocess.run(
        ["git", "ls-files", "results", "data"], cwd=recorded.root, capture_output=True, text=True
    )
    assert tracked.stdout.splitlines() == ["data/register.yaml", "results/laptop/toy/verdict.json"]


def test_a_clone_and_a_pull_count_as_built(recorded, tmp_path):
    git(recorded, "clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = Checkout(tmp_path / "clone")
    assert "train.sgd.000" in clone.plan()
    clone.must("dvc", "pull", "--quiet")
    assert clone.plan() == set()
    assert "skipping" in clone.must("dvc", "repro", "paper@toy")
    with clone.edited_toy("study.yaml", "lr: 0.01", "lr: 0.02"):
        assert clone.plan() == {"train.adam.000", "measure.adam_norms", "judge", "record"}
    for path in ("tables/norms.csv", "runs/sgd/chunk-001.safetensors", "verdict.json"):
        assert clone.result(path).read_bytes() == recorded.result(path).read_bytes()


def test_an_older_commit_and_back_stays_clean(recorded):
    with recorded.edited_toy("study.yaml", "lr: 0.01", "lr: 0.02"):
        recorded.must("dvc", "repro", "--quiet")
        git(recorded, "commit", "--quiet", "--all", "--message", "Another rate")
        for commit in ("HEAD~1", "-"):
            git(recorded, "checkout", "--quiet", commit)
            recorded.must("dvc", "checkout", "--quiet")
            assert recorded.plan() == set()
        git(recorded, "reset", "--quiet", "--hard", "HEAD~1")
    recorded.must("dvc", "checkout", "--quiet")
    assert recorded.plan() == set()

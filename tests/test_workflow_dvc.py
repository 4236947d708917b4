"""DVC runs the same graph, one stage a paper, and moves data, fleets and results to a folder and back."""

import json
import os

import pytest
import versions
from versions import git


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A git checkout in which `dvc repro` has built the toy room and pushed it to a folder."""
    return versions.recorded(tmp_path_factory.mktemp("recorded"), tmp_path_factory.mktemp("store"))


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
    tracked = git(recorded, "ls-files", "results", "data").splitlines()
    assert tracked == ["data/register.yaml", "results/laptop/toy/verdict.json"]


def test_a_clone_and_a_pull_count_as_built(recorded, tmp_path):
    clone = versions.clone(recorded, tmp_path / "clone")
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


@pytest.mark.parametrize("meanwhile", ["nothing", "another fleet"])
def test_back_from_a_commit_without_results_stays_clean(meanwhile, recorded, tmp_path):
    """DVC writes files anew, with new times, and in any order: here the record before all else."""
    clone = versions.clone(recorded, tmp_path / "clone")
    clone.must("dvc", "pull", "--quiet")
    assert clone.plan() == set()
    git(clone, "checkout", "--quiet", "-b", "without")
    git(clone, "rm", "--quiet", "dvc.lock")
    git(clone, "commit", "--quiet", "--message", "No results")
    clone.run("dvc", "checkout", "--quiet")  # it removes what it can, and says that nothing is recorded
    fleet = clone.result("runs/adam/chunk-000.safetensors")
    assert not fleet.exists()
    if meanwhile == "another fleet":
        with clone.edited_toy("study.yaml", "lr: 0.01", "lr: 0.02"):
            clone.must("snakemake", str(fleet.relative_to(clone.root)), "--cores", "2", "--quiet")
        fleet.unlink()
    git(clone, "checkout", "--quiet", "-")
    clone.must("dvc", "checkout", "--quiet")
    os.utime(clone.result("provenance.json"), (1e9, 1e9))
    assert clone.plan() == set()


def test_a_record_older_than_what_was_built_since_is_written_anew(recorded, tmp_path):
    """The same bytes by another job, and a build that ended before its last one: no record vouches for these."""
    clone = versions.clone(recorded, tmp_path / "clone")
    clone.must("dvc", "pull", "--quiet")
    assert clone.plan() == set()
    clone.must("snakemake", "results/laptop/toy/tables/norms.csv", "--cores", "2", "--quiet", "--force")
    assert clone.plan() == {"record"}


@pytest.fixture
def another_rate(recorded, tmp_path):
    """A clone in which one rate has been changed and the room built anew, not committed."""
    clone = versions.clone(recorded, tmp_path / "clone")
    clone.must("dvc", "pull", "--quiet")
    with clone.edited_toy("study.yaml", "lr: 0.1", "lr: 0.2"):
        clone.must("dvc", "repro", "--quiet")
        yield clone


def test_differences_are_shown_of_metrics_parameters_and_plots(another_rate):
    metrics = json.loads(another_rate.must("dvc", "metrics", "diff", "--json"))
    changed = metrics["results/laptop/toy/verdict.json"]
    assert changed["claims.C1.estimate"]["diff"] != 0
    parameters = json.loads(another_rate.must("dvc", "params", "diff", "--json"))
    study = parameters["src/isthmus/papers/toy/study.yaml"]
    assert study == {"runs.sgd.lr": {"old": 0.1, "new": 0.2, "diff": 0.1}}
    another_rate.must("dvc", "plots", "diff", "HEAD", "workspace")
    page = (another_rate.root / "dvc_plots/index.html").read_text()
    assert "toy, norms" in page
    assert '"rev": "HEAD"' in page
    assert '"rev": "workspace"' in page


def test_the_main_table_is_drawn(recorded):
    recorded.must("dvc", "plots", "show")
    page = (recorded.root / "dvc_plots/index.html").read_text()
    assert "toy, norms" in page
    assert '"norm": ' in page
    assert git(recorded, "status", "--porcelain") == ""


def test_a_graph_built_by_snakemake_is_recorded_without_building_anew(recorded, tmp_path):
    """As after `make atlas`, which uses all cores: DVC then only records."""
    clone = versions.clone(recorded, tmp_path / "clone")
    clone.must("snakemake", "toy", "--cores", "2", "--quiet")
    made = clone.result("runs/sgd/chunk-000.safetensors").stat().st_mtime_ns
    shown = clone.must("dvc", "repro")
    assert "Nothing to be done" in shown
    assert clone.result("runs/sgd/chunk-000.safetensors").stat().st_mtime_ns == made
    assert clone.plan() == set()

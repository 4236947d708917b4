"""`isthmus clean`: removes what can be rebuilt once it is told so, and never anything else."""

import os
import subprocess
import sys

import pytest
from studies import Project, forget, toy

from isthmus import cli, records, rooms, store
from isthmus.commands import clean

GONE = [
    "results/laptop/toy/runs/sgd/chunk-000.safetensors",
    "results/laptop/toy/runs/sgd/chunk-001.safetensors",
    "scratch/results/laptop/toy/runs/sgd/chunk-001.state.safetensors",
    "logs/laptop/toy/train.sgd.000.log",
]
KEPT = [
    "data/prepared/digits/draw-1000/unit.safetensors",
    "results/laptop/toy/figures/norm_by_seed.svg",
    "results/laptop/toy/provenance.json",
    "results/laptop/toy/tables/norms.csv",
    "results/laptop/toy/verdict.json",
    "results/smoke/toy/runs/sgd/chunk-000.safetensors",
    "results/laptop/other/runs/sgd/chunk-000.safetensors",
    "logs/data/digits.log",
]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with the toy's results and others beside them."""
    made = Project(tmp_path, monkeypatch)
    made.write(toy())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for name in (*GONE, *KEPT):
        store.write_text(name, "x" * 1000)
        records.note(name)
    yield made
    forget()


def left():
    return [name for name in (*GONE, *KEPT) if os.path.lexists(name)]


def test_it_shows_and_removes_nothing_until_told(project, capsys, monkeypatch):
    assert cli.main(["clean", "toy"]) == 0
    shown = capsys.readouterr().out
    assert left() == [*GONE, *KEPT]
    for said in (
        "trained fleets",
        "2.0 kB",
        "results/laptop/toy/runs",
        "scratch/results/laptop/toy",
        "4.0 kB in all",
    ):
        assert said in shown
    assert "nothing was removed (`--yes` removes it)" in shown
    assert shown.index("trained fleets") < shown.index("interrupted training") < shown.index("logs")


def test_with_yes_it_removes_what_can_be_rebuilt_of_that_room_and_scale(project, capsys):
    assert cli.main(["clean", "toy", "--yes"]) == 0
    assert left() == KEPT
    assert not [name for name in GONE if records.of(name).exists()]
    assert all(records.of(name).exists() for name in KEPT)
    assert not os.path.exists("results/laptop/toy/runs")
    assert "toy: the next build trains its networks again" in capsys.readouterr().out
    assert cli.main(["clean", "--yes"]) == 0
    assert capsys.readouterr().out == "nothing to remove at scale laptop\n"
    assert left() == KEPT


@pytest.mark.parametrize(("answer", "remains"), [("y", KEPT), ("", [*GONE, *KEPT]), ("n", [*GONE, *KEPT])])
def test_on_a_terminal_it_asks(answer, remains, project, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    assert cli.main(["clean"]) == 0
    assert left() == remains


def test_a_file_that_git_tracks_stays(project):
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "add", "-f", GONE[1], GONE[3]], check=True)
    assert cli.main(["clean", "--yes"]) == 0
    assert left() == [GONE[1], GONE[3], *KEPT]


def test_links_are_never_followed(project, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "precious").write_text("mine")
    os.symlink(outside / "precious", "results/laptop/toy/runs/sgd/chunk-002.safetensors")
    os.symlink(outside, "results/laptop/toy/runs/linked")
    assert cli.main(["clean", "--yes"]) == 0
    assert (outside / "precious").read_text() == "mine"
    assert not os.path.lexists("results/laptop/toy/runs")


@pytest.mark.parametrize("linked", ["results/laptop/toy/runs", "results/laptop/toy", "results"])
def test_what_lies_behind_a_link_stays(linked, project, tmp_path_factory, capsys):
    outside = tmp_path_factory.mktemp("outside") / "moved"
    os.rename(linked, outside)
    os.symlink(outside, linked)
    assert cli.main(["clean", "--yes"]) == 0
    assert "results/laptop/toy/runs: behind a link, left (" in capsys.readouterr().out
    assert left() == [*GONE[:2], *KEPT]


def test_while_a_build_runs_it_is_refused(project, capsys):
    store.write_text(".snakemake/locks/0.output.lock", "results/laptop/toy/verdict.json\n")
    assert cli.main(["clean", "--yes"]) == 2
    line = ".snakemake/locks: wanted no build in this folder, found one that runs, or that was killed"
    assert line in capsys.readouterr().err
    assert left() == [*GONE, *KEPT]


def test_a_file_that_cannot_be_removed_is_named(project, monkeypatch, capsys):
    def fails(path, missing_ok=False):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(clean.Path, "unlink", fails)
    assert cli.main(["clean", "--yes"]) == 2
    assert capsys.readouterr().err == f"isthmus: {GONE[0]}: could not be removed (Permission denied)\n"


def test_it_says_when_the_next_build_has_nothing_to_do(project):
    room = rooms.load("toy", "laptop")
    for path in room.outputs():
        store.write_text(path, "x")
    assert clean.what_next(room).startswith("toy: its results are there")
    room.table_path("norms").unlink()
    assert clean.what_next(room).startswith("toy: the next build trains its networks again")

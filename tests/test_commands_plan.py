"""`isthmus plan`: jobs, networks, time and disk of a build, and the n for a wanted interval."""

import numpy as np
import pandas as pd
import pytest
from studies import Project, changed, forget, toy

from isthmus import cli, rooms, store
from isthmus.claims import Sample
from isthmus.commands import plan
from isthmus.stats import interval


@pytest.fixture
def project(tmp_path, monkeypatch):
    made = Project(tmp_path, monkeypatch)
    made.write(toy())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    yield made
    forget()


def told(name="toy", scale="laptop"):
    return dict(line.split(": ", 1) for line in [*plan.build(rooms.load(name, scale))][1:])


def test_jobs_and_networks_are_those_of_the_study(project):
    said = told()
    assert said["jobs"] == "8 (3 train, 2 measure, 1 draw, 1 judge, 1 record)"
    assert said["networks"] == "12 in 2 runs"


def test_borrowed_networks_are_not_counted(project):
    guest = toy() | {"runs": {"main": {"from": "toy/sgd"}}, "figures": {}, "plot": None, "scales": {"laptop": {}}}
    project.write(guest | {"tables": {"norms": {"runs": ["main"]}}}, "guest")
    said = told("guest")
    assert said["networks"] == "0 in 0 runs, besides those of toy"
    assert said["jobs"].startswith("3 (0 train")
    assert said["disk"].startswith("about 0 bytes")


def test_time_is_measured_or_from_logs_or_not_known(project):
    assert told()["time"].startswith("about 0.2 minutes on 2 cores (measured;")
    project.write(changed(toy(), "scales.laptop", {}))
    assert told()["time"].startswith("not known: no `minutes` in ")
    logs = project.root / "logs/laptop/toy"
    for number in range(7):
        store.write_text(logs / f"job.{number}.log", f"a line\n{6 + number}.0 s at work\n")
    assert told()["time"].startswith("about 1.1 minutes of work for one core")


def test_disk_is_reckoned_from_weights_until_the_results_are_there(project):
    """digits, 64-8-10: 610 scalars, 12 networks at one checkpoint, 4 bytes each."""
    assert told()["disk"].startswith("about 29.3 kB of weights")
    for path in rooms.load("toy", "laptop").outputs():
        store.write_text(path, "0123456789")
    assert told()["disk"] == "100 bytes (as it lies in results/laptop/toy)"


def test_n_for_a_width_is_what_makes_the_interval_that_wide():
    rng = np.random.default_rng(0)
    few, many = (Sample.of(pd.Series(rng.normal(size=n))) for n in (40, 4000))
    seen = interval(few).high - interval(few).low
    assert plan.wanted_n(40, seen, seen) == 40
    assert plan.wanted_n(40, seen, seen / 2) == 160
    width = interval(many).high - interval(many).low
    assert plan.wanted_n(40, seen, width) == pytest.approx(4000, rel=0.5)


CLAIM = {"unit": "nats", "n": 10, "unit_of_n": "seed", "verdict": "holds"}
CLAIMS = {
    "C1": CLAIM | {"interval": {"low": 1.0, "high": 3.0}},
    "C2": CLAIM | {"interval": {"low": 1.0, "high": None}},
    "C3": CLAIM | {"interval": {"low": 2.0, "high": 2.0}},
    "C4": CLAIM | {"interval": None, "n": 0, "verdict": "out of reach"},
}


def test_each_claim_has_a_row_and_those_without_an_interval_say_so():
    columns = [[*column.cells] for column in plan.intervals(CLAIMS, 1.0).columns]
    assert columns[0] == ["C1", "C2", "C3", "C4"]
    assert columns[2] == ["10 seeds", "10 seeds", "10 seeds", "–"]
    assert columns[3] == ["2", "no interval (holds)", "0", "no interval (out of reach)"]
    assert columns[4] == ["40", "–", "–", "–"]


def test_a_paper_without_verdicts_says_so(project, capsys):
    assert cli.main(["plan", "toy"]) == 0
    assert "no verdicts at scale laptop yet" in capsys.readouterr().out


@pytest.mark.parametrize("width", ["0", "-1", "nan", "inf", "wide"])
def test_a_width_that_no_interval_has(width, project, capsys):
    assert cli.main(["plan", "toy", f"--width={width}"]) == 2
    assert f"wanted a width above 0, found {width!r}" in capsys.readouterr().err

"""The benchmark: its methods do the same work, its formulas count what is computed, and it needs little to run."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from isthmus.bench import alone, cases, draw, plain, report, sessions
from isthmus.bench.cell import Cell, Result
from isthmus.bench.evaluation import Evaluation
from isthmus.bench.fleets import Engine
from isthmus.bench.measure import measure
from isthmus.bench.plain import Serial
from isthmus.bench.sessions import whole_epochs
from isthmus.bench.stacked import Limit
from isthmus.engine.architecture import Architecture

CPU = torch.device("cpu")
SEEDS, STEPS = range(2), 4
# As in the benchmark, but small, and with an epoch of 3 steps, so that new data orders are drawn on the way.
SMALL = {
    "mlp": replace(cases.find("mlp-64"), batch=16, examples=50),
    "cnn": replace(cases.find("cnn-8"), batch=16, examples=50),
    "resnet": replace(cases.find("resnet-20"), batch=16, examples=50, shape=(3, 16, 16)),
}


def start_of(case):
    """Rows (R, P) for every method to begin at."""
    data = case.data()
    return Architecture.of(case.recipe(SEEDS, 1), data.shape, data.classes).initial([*SEEDS])


def works(case):
    """Every way in which the benchmark trains these networks."""
    start = start_of(case)
    for variant in ("fused", "foreach", "fused channels_last"):
        if len(case.shape) == 3 or "channels_last" not in variant:
            yield f"serial {variant}", Serial(case, SEEDS, variant, CPU, "float32", start)
    for block in (None, 1, 2):
        yield f"engine {block}", Engine(case, SEEDS, block, CPU, "float32", start)
        if case.group == "mlp":
            yield f"limit {block}", Limit(case, SEEDS, block, CPU, start)


@pytest.mark.parametrize("name", SMALL)
def test_all_methods_do_the_same_work(name):
    case = SMALL[name]
    # Later, rounding moves ReLUs behind BatchNorm of 16 images: on some processors PyTorch's own two layouts of
    # images differ by 1e-3 of the way at the fourth step. New orders are drawn as for the others.
    steps = 2 if name == "resnet" else STEPS
    begun = start_of(case)
    found = {}
    for method, work in works(case):
        work.reset(steps)
        work.run()
        found[method] = work.rows()
    wanted = found["serial fused"]
    moved = (wanted - begun[:, : wanted.shape[1]]).norm()
    assert moved > 0.01
    for method, rows in found.items():
        assert (rows[:, : wanted.shape[1]] - wanted).norm() < 1e-4 * moved, method


def test_a_repetition_is_the_same_work_again():
    for method, work in works(SMALL["mlp"]):
        rows = []
        for _ in range(2):
            work.reset(STEPS)
            work.run()
            rows.append(work.rows().clone())
        assert torch.equal(*rows), method


def test_the_engine_takes_as_many_rows_as_it_is_told():
    rule = Architecture.rows_at_once
    for block, wanted in ((1, 1), (3, 3), (100, 5)):
        work = Engine(SMALL["mlp"], range(5), block, CPU, "float32")
        work.reset(1)
        assert work.block == wanted
    assert Architecture.rows_at_once is rule


@pytest.mark.parametrize("case", cases.TRAINED, ids=lambda case: case.name)
def test_multiply_adds_are_those_that_torch_counts(case):
    module = plain.network(case)
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, *case.shape))
    assert counter.get_total_flops() == 2 * case.macs
    assert case.flops == 6 * case.macs * case.batch


@pytest.mark.parametrize("name", ["barrier", "losses"])
def test_both_evaluations_find_the_same_losses(name):
    case = replace(cases.find(name), batch=40, examples=40)
    found = []
    for method, variant in (("serial", ""), ("serial", "16"), ("engine", "")):
        work = Evaluation(case, range(2), method, variant, CPU)
        work.reset(1)
        work.run()
        found.append(work.rows().float())
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-4, atol=1e-5)


def test_networks_are_shared_out_among_processes():
    cell = Cell("train", "mlp-64", "engine", 7, processes=3)
    assert cell.shares == [range(3), range(3, 5), range(5, 7)]


@pytest.mark.parametrize(("steps", "wanted"), [(0, 1), (5, 5), (11, 11), (12, 23), (30, 23), (40, 46)])
def test_long_repetitions_are_whole_epochs(steps, wanted):
    assert whole_epochs(steps, 23) == wanted


def test_cells_are_measured_and_one_that_fails_says_why():
    cells = [
        Cell("train", "mlp-64", "engine", 3, processes=2),
        Cell("evaluate", "losses", "serial", 3, variant="many"),
    ]
    good, bad = measure(cells, 0.01)
    assert good.n > 0
    assert 0 < good.low <= good.us_per_step_network <= good.high
    assert good.gflops == pytest.approx(6 * (64 * 64 * 2 + 640) * 64 / good.us_per_step_network / 1e3)
    assert good.peak_mb > 100
    assert (good.block, good.note) == (2, "")
    assert bad.n == 0
    assert bad.us_per_step_network != bad.us_per_step_network
    assert "invalid literal" in bad.note


def test_a_worker_that_is_gone_is_a_fault_and_no_crash():
    session = sessions.Session(Cell("train", "mlp-64", "engine", 1))
    for process, _ in session.workers:
        process.kill()
        process.join()
    with pytest.raises(sessions.CellError, match="a worker ended"):
        session.plan(0.01, 2)


def test_a_whole_process_counts_its_start(monkeypatch):
    monkeypatch.setattr(sessions, "FEWEST", 1)
    cell = Cell("train", "mlp-64", "process", 1, variant="fused", steps=1000, whole=True, timed=2)
    (found,) = measure([cell], 0.01)
    assert (found.n, found.steps) == (1, 1000)
    # Two steps take no time; the import of torch takes more than half a second of a thousand.
    assert found.us_per_step_network > 500
    assert found.note == "2 of its steps timed, the start spread over all"


def test_a_whole_process_prints_what_it_took(capsys):
    text = json.dumps({"part": "thousand", "case": "mlp-64", "method": "engine", "rows": 3, "steps": 2})
    threads = torch.get_num_threads()
    alone.main(text, "1", "3")
    torch.set_num_threads(threads)
    assert json.loads(capsys.readouterr().out).keys() == {"seconds", "peak_mb"}


def result(part="train", case="mlp-64", method="engine", rows=8, us=100.0, **more):
    """A row of the table, made up."""
    given = {
        "threads": 1,
        "processes": 1,
        "variant": "",
        "block": 8,
        "n": 5,
        "steps": 46,
        "peak_mb": 300.0,
        "note": "",
    }
    gflops = cases.find(case).flops / us / 1e3
    return Result(
        part, case, method, rows, us_per_step_network=us, low=us, high=us, gflops=gflops, **{**given, **more}
    )


MADE_UP = [
    result("gemm", "gemm-512", "product", 1, us=4000.0),
    result("gemm", "gemm-512", "product", 1, us=2000.0, threads=2),
    result(method="process", rows=2, us=3000.0, processes=2),
    *(result(method="serial", rows=rows, us=400.0) for rows in (1, 8)),
    result(method="serial", us=500.0, threads=2),
    result(method="serial", us=250.0, processes=2),
    *(result(rows=rows, us=us) for rows, us in ((1, 200.0), (8, 100.0))),
    result(us=50.0, processes=2),
    result(method="limit", us=80.0),
    result(case="cnn-8", rows=1, us=float("nan"), n=0, note="a worker ended (out of memory?)"),
    *(result("rule", us=us, block=block) for block, us in ((8, 110.0), (4, 100.0), (8, 112.0))),
    *(result("networks", rows=1 << k, us=100.0 + 1000.0 / (1 << k)) for k in range(11)),
    *(result("steps", rows=32, us=100.0, steps=23 << k) for k in range(7)),
    result("thousand", rows=1000, us=50.0, steps=690, processes=2),
    *(result("evaluate", "barrier", method, 600, us) for method, us in (("serial", 5000.0), ("engine", 1000.0))),
]


def test_the_tables_say_what_was_found():
    text = report.text(report.tidy(MADE_UP))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    # One core, then two: there the best of the serial ways, with its mark, and engines on one core count too.
    assert "1 400 200 (2x) – 400 200 (2x) – 25% 300 300" in lines
    assert "8 400 100 (4x) 80 (5x) 250 p 50 (5x) 80 (3.1x) 51% 300 300" in lines
    assert "A process for each, 2 at a time, 660 steps: 3,000, whatever R" in lines
    assert "Not measured: cnn-8, R = 1, engine: a worker ended (out of memory?)" in lines
    assert "MLP 64-64-64-10 8 8 110 4 100 10% 4: 100, 8: 112" in lines
    assert "with the number of steps, of 32 networks, as steps^1.00" in lines
    assert any("690 steps each): 34.5 s with 2 cores, imports and all" in line for line in lines)
    assert any("R = 600, 1 core: serial 5,000, engine 1,000 (5x)" in line for line in lines)


@pytest.mark.parametrize("kept", [("gemm", "networks", "steps"), ("gemm", "rule"), ("gemm", "thousand")])
def test_parts_stand_by_themselves(kept, tmp_path):
    frame = report.tidy([row for row in MADE_UP if row.part in kept])
    assert "Training" not in report.text(frame)
    draw.write(frame, tmp_path, {})
    assert {path.stem for path in tmp_path.iterdir()} == ({"scaling"} if "steps" in kept else set())


def test_a_method_stands_by_itself():
    frame = report.tidy([row for row in MADE_UP if row.part == "gemm" or row.method == "process"])
    assert "A process for each" in report.text(frame)


def test_the_tidy_table_has_shares_and_networks_an_hour():
    frame = report.tidy(MADE_UP)
    engine = frame[(frame.part == "train") & (frame.method == "engine") & (frame.processes == 2)].iloc[0]
    product = frame[(frame.part == "gemm") & (frame.threads == 2)].gflops.iloc[0]
    assert engine.share_of_gemm == pytest.approx(engine.gflops / product)
    assert engine.networks_per_hour == pytest.approx(3600 / (50e-6 * 30 * 23))
    assert frame[frame.part == "evaluate"].networks_per_hour.isna().all()


def test_figures_are_drawn_of_what_there_is(tmp_path):
    frame = report.tidy(MADE_UP)
    draw.write(frame, tmp_path / "all", {})
    draw.write(frame[~frame.part.isin(["networks", "steps"])], tmp_path / "some", {})
    assert {path.name for path in (tmp_path / "all").iterdir()} == {
        f"{name}.{kind}" for name in ("speed", "scaling") for kind in ("svg", "png")
    }
    assert {path.name for path in (tmp_path / "some").iterdir()} == {"speed.svg", "speed.png"}


FORBIDDEN = (
    "pydantic",
    "yaml",
    "snakemake",
    "dvc",
    "rich",
    "torchvision",
    "grimp",
    "sklearn",
    "mnist1d",
    "pyarrow",
)


def test_the_command_needs_torch_and_little_else(tmp_path):
    """Every process of it, workers too, refuses to import the rest of the project's dependencies."""
    block = f"import sys\nsys.modules.update(dict.fromkeys({FORBIDDEN!r}))\n"
    (tmp_path / "sitecustomize.py").write_text(block)
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = ["--only", "mlp-64", "--methods", "serial,engine", "--rows", "2", "--seconds", "0.01", "--out"]
    done = subprocess.run(
        [sys.executable, "-m", "isthmus.bench", *command, str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert "MLP 64-64-64-10, batch 64" in done.stdout
    assert "training, MLP 64-64-64-10" in done.stderr
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"results.csv", "tables.txt", "machine.json", "speed.svg", "speed.png"}
    frame = pd.read_csv(tmp_path / "out" / "results.csv")
    assert set(frame.method) == {"product", "serial", "engine"}
    assert frame.us_per_step_network.notna().all()
    assert json.loads((tmp_path / "out" / "machine.json").read_text())["command"].startswith(
        "python -m isthmus.bench"
    )

"""The workflow's promises, on real calls of Snakemake: what a change reruns, and what is not trusted."""

import json
import shutil

import pytest
from checkouts import Checkout

DOWN = {"judge", "record"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy of the project in which the toy room is built."""
    checkout = Checkout.make(tmp_path_factory.mktemp("built"))
    done = checkout.snakemake("toy")
    assert done.returncode == 0, done.stdout
    assert "toy: about 0.2 minutes" in done.stdout
    return checkout


def test_a_second_build_does_nothing(built):
    assert built.plan() == set()
    assert "Nothing to be done" in built.snakemake("toy").stdout


def test_a_new_paper_is_found_by_its_folder(built):
    folder = built.root / "src/isthmus/papers"
    shutil.copytree(folder / "toy", folder / "toy2")
    try:
        assert "train.sgd.000" in built.plan()
        assert built.plan("toy") == set()
        assert built.plan("toy2") == built.plan()
    finally:
        shutil.rmtree(folder / "toy2")


def test_a_number_of_one_run_reruns_that_run_and_what_hangs_from_it(built):
    with built.edited_toy("study.yaml", "lr: 0.01", "lr: 0.02"):
        assert built.plan() == {"train.adam.000", "measure.adam_norms", *DOWN}
        shown = built.snakemake("toy", "--dry-run").stdout
        assert "before: 'networks=" in shown


def test_a_setting_of_one_table_measures_only_that(built):
    with built.edited_toy("study.yaml", "adam_norms: {function: norms, runs: [adam], settings: {power: 2}}",
                          "adam_norms: {function: norms, runs: [adam], settings: {power: 1}}"):  # fmt: skip
        assert built.plan() == {"measure.adam_norms", *DOWN}


def test_a_figure_function_only_draws(built):
    with built.edited_toy("figures.py", ".plot(", ".scatter("):
        assert built.plan() == {"draw.norm_by_seed", "record"}


def test_a_delta_only_judges(built):
    with built.edited_toy("claims.py", "Direction(0.5", "Direction(0.6"):
        assert built.plan() == DOWN


def test_an_optimizer_reruns_only_the_runs_that_use_it(built):
    with built.edited("src/isthmus/optimizers/adam.py", "import torch\n", "import torch\n\nEXTRA = 1\n"):
        assert built.plan() == {"train.adam.000", "measure.adam_norms", *DOWN}


def test_comments_and_docstrings_anywhere_rerun_nothing(built):
    files = [*(built.root / "src/isthmus").rglob("*.py")]
    before = {file: file.read_text() for file in files}
    try:
        for file, text in before.items():
            file.write_text(text.replace('"""\n', ' More words."""\n', 1) + "\n# A comment.\n")
        assert built.plan() == set()
    finally:
        for file, text in before.items():
            file.write_text(text)


@pytest.mark.parametrize(
    "path", ["tables/norms.csv", "verdict.json", "figures/norm_by_seed.png", "runs/sgd/chunk-001.safetensors"]
)
def test_an_output_changed_by_hand_is_refused(built, path):
    file = built.result(path)
    before = file.read_bytes()
    file.write_bytes(before.replace(before[-3:], b"000"))
    try:
        done = built.snakemake("toy")
        assert done.returncode == 2
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("isthmus:")]
        assert f"results/laptop/toy/{path}" in line
        assert "delete it" in line
        assert "Traceback" not in done.stdout
    finally:
        file.write_bytes(before)
    assert built.plan() == set()


def test_a_deleted_output_is_rebuilt_to_the_same_bytes(built):
    file = built.result("tables/norms.csv")
    before = file.read_bytes()
    file.unlink()
    assert built.plan() == {"measure.norms", "draw.norm_by_seed", *DOWN}
    built.must("snakemake", "toy", "--cores", "2", "--quiet")
    assert file.read_bytes() == before
    assert built.plan() == set()


def test_a_log_opens_with_the_command_that_repeats_the_job(built):
    log = built.root / "logs/laptop/toy/measure.norms.log"
    command = log.read_text().splitlines()[0]
    assert command == "python -m isthmus measure toy norms --scale laptop"
    before = built.result("tables/norms.csv").read_bytes()
    built.must(*command.split())
    assert built.result("tables/norms.csv").read_bytes() == before


def test_a_verdict_without_a_record_is_rebuilt_not_trusted(built, tmp_path):
    clone = Checkout.make(tmp_path)
    clone.result("verdict.json").parent.mkdir(parents=True)
    shutil.copy(built.result("verdict.json"), clone.result("verdict.json"))
    done = clone.snakemake("results/laptop/toy/verdict.json", "--dry-run")
    assert "isthmus: results/laptop/toy/verdict.json: no record" in done.stdout
    assert {"train.sgd.000", "judge"} <= clone.plan("results/laptop/toy/verdict.json")


def test_results_that_came_with_their_record_count_as_built(built, tmp_path):
    """A fresh checkout without Snakemake's records and with scrambled times, as after `dvc pull`."""
    clone = Checkout.make(tmp_path)
    for part in ("results", "data/prepared"):
        shutil.copytree(built.root / part, clone.root / part, copy_function=shutil.copyfile)
    assert clone.plan() == set()
    assert "Nothing to be done" in clone.snakemake("toy").stdout
    with clone.edited_toy("study.yaml", "lr: 0.01", "lr: 0.02"):
        assert clone.plan() == {"train.adam.000", "measure.adam_norms", *DOWN}
    clone.result("tables/norms.csv").write_text("seed,norm\n")
    assert clone.snakemake("toy").returncode == 2


def test_a_damaged_record_is_named(built, tmp_path):
    clone = Checkout.make(tmp_path)
    clone.result("provenance.json").parent.mkdir(parents=True)
    clone.result("provenance.json").write_text("{")
    done = clone.snakemake("toy")
    assert done.returncode == 2
    assert "isthmus: results/laptop/toy/provenance.json: wanted JSON" in done.stdout


def test_provenance_names_the_machine_the_libraries_and_every_output(built):
    record = json.loads(built.result("provenance.json").read_text())
    assert record["made"]["libraries"]["torch"]
    assert "results/laptop/toy/runs/sgd/chunk-001.safetensors" in record["outputs"]
    assert record["outputs"].keys() == record["snakemake"].keys()
    assert all(record["snakemake"].values())


def test_a_variant_builds_beside_the_published_results(built):
    overlay = built.root / "config/variants/toy@gentle.yaml"
    overlay.parent.mkdir(exist_ok=True)
    overlay.write_text("why: smaller steps\nruns: {sgd: {lr: 0.05}}\n")
    before = built.result("verdict.json").read_bytes()
    assert "train.sgd.001" in built.plan("results/laptop/toy@gentle/verdict.json")
    built.must("snakemake", "toy@gentle", "--cores", "2", "--quiet")
    assert (built.root / "results/laptop/toy@gentle/verdict.json").read_bytes() != before
    assert built.result("verdict.json").read_bytes() == before
    assert built.plan() == set()


def test_the_report_is_one_page_with_the_verdicts_first(built):
    page = built.root / "report.html"
    built.must("snakemake", "toy", "--report", str(page))
    text = page.read_text()
    for wanted in ("networks have a length", "A toy paper", "How long each network is, by *seed* (n = 6)."):
        assert wanted in text
    assert 'src="http' not in text


def test_a_dry_run_on_slurm_lists_time_memory_and_gpu_of_training(built):
    shown = built.must("snakemake", "toy", "--profile", "profiles/slurm", "--dry-run", "--config", "scale=mnist")
    training = shown.split("rule train:")[1].split("rule ")[0]
    for wanted in ("runtime=300", "mem_mb=9000", "gpu=1"):
        assert wanted in training


def test_other_orders_of_building_give_the_same_bytes(built, tmp_path):
    """One core and the figure first, in another folder: every output but the record of its making is the same."""
    other = Checkout.make(tmp_path)
    other.must("snakemake", "results/laptop/toy/figures/norm_by_seed.svg", "--cores", "1", "--quiet")
    other.must("snakemake", "toy", "--cores", "1", "--quiet")
    ours, theirs = (
        {
            path.relative_to(checkout.root): path.read_bytes()
            for path in checkout.result("").rglob("*")
            if path.is_file() and path.name != "provenance.json"
        }
        for checkout in (built, other)
    )
    assert ours.keys() == theirs.keys()
    assert [path for path in ours if ours[path] != theirs[path]] == []


def test_cleaned_fleets_are_missed_once_anything_behind_a_result_changes(built, tmp_path):
    """The record of a room vouches for its fleets too."""
    copy = Checkout(tmp_path / "copy")
    shutil.copytree(built.root, copy.root)
    said = copy.must("isthmus", "clean", "toy", "--yes")
    assert "toy: its results are there" in said
    assert not copy.result("runs").exists()
    assert copy.plan("toy") == set()
    with copy.edited_toy("claims.py", "Direction(0.5", "Direction(0.6"):
        assert {"train.sgd.000", "train.sgd.001", "train.adam.000", "judge"} <= copy.plan("toy")

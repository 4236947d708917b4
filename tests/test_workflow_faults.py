"""What a user gets wrong is answered by Snakemake with one line of ours and exit code 2, before anything runs."""

import pytest
from checkouts import Checkout

STUDY = "src/isthmus/papers/toy/study.yaml"
CONFIG = "config/config.yaml"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout.make(tmp_path_factory.mktemp("faults"))


def answer(checkout, *arguments):
    """The one line that snakemake answers with, of a call that must fail by it."""
    done = checkout.snakemake(*arguments, "--dry-run")
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("isthmus: ")]
    return line


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["buterfly"], "target: wanted one of all, data, toy, or a path under results/; found 'buterfly'"),
        (["tow hearts"], "found 'tow hearts'"),
        (["to'y"], 'found "to\'y"'),
        (["toy@nosuch"], "found 'toy@nosuch'"),
        (["results/laptop/nosuch/verdict.json"], "wanted a paper of toy, found 'nosuch'"),
        (
            ["results/huge/toy/verdict.json"],
            f"{STUDY}: scales: wanted one of laptop, smoke, mnist, redraw, found 'huge'",
        ),
        (["results/laptop/toy/figures/no.svg"], f"{STUDY}: figures: wanted one of norm_by_seed; found 'no'"),
        (["results/laptop/toy/tables/no.csv"], f"{STUDY}: tables: wanted one of norms, adam_norms; found 'no'"),
        (["results/laptop/toy/runs/sgd/chunk-002.safetensors"], "runs/sgd: wanted one of 2 chunks, found 002"),
        (["data/prepared/digits/none/unit.safetensors"], "data/register.yaml: sets.digits.splits: wanted one of"),
        (["--config", "scale=huge"], f"{CONFIG}: scale: wanted one of laptop, mnist, redraw, smoke; found 'huge'"),
        (["--config", "papers=[toi]"], f"{CONFIG}: papers: wanted some of toy; found 'toi'"),
        (["--config", "skale=smoke"], f"{CONFIG}: skale"),
        (["--config", "data={mnist1d: /nowhere}", "papers=[toy]"], None),
        (["--config", "data={digits: /nowhere}"], "data.digits: wanted no place, since digits is embedded"),
    ],
)
def test_what_is_asked_for(checkout, arguments, wanted):
    if wanted is None:
        assert checkout.snakemake(*arguments, "--dry-run").returncode == 0
    else:
        assert wanted in answer(checkout, *arguments)


@pytest.mark.parametrize(
    ("path", "old", "new", "wanted"),
    [
        (STUDY, "batch: 100", "batch: 100\n    bach: 1", "runs.sgd.bach"),
        (STUDY, "widths: [8]", "widths: [-8]", "runs.sgd.model.mlp.widths.0"),
        (STUDY, "seeds: 6", "seeds: 0", "runs.sgd.seeds"),
        (STUDY, "data: digits/draw-1000/unit", "data: digits/draw-1000", "digits/draw-1000"),
        (STUDY, "batch: 100", "batch: 100000", "batch"),
        (STUDY, "table: norms,", "table: nosuch,", "figures.norm_by_seed.table"),
        (STUDY, "runs:\n", "runs: [\n", "wanted YAML"),
        (CONFIG, "scale: laptop", "scale: [laptop]", "scale"),
        (CONFIG, "scale: laptop", "scale: ' laptop'", "scale"),
        (CONFIG, "data: {}", "data: {}\ncolour: red", "colour"),
        (CONFIG, "data: {}", "data: {", "wanted YAML"),
    ],
)
def test_what_is_written(checkout, path, old, new, wanted):
    with checkout.edited(path, old, new):
        line = answer(checkout, "all")
    assert f"{path}: " in line
    assert wanted in line


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("toy@gentle.yaml", "runs: {}\n", "toy@gentle.yaml: why"),
        ("toy@gentle.yaml", "why: x\nruns: {nosuch: {lr: 1.0}}\n", "toy@gentle.yaml: runs.nosuch"),
        ("toy@gentle.yaml", "why: x\nscales: {}\n", "toy@gentle.yaml: scales"),
        ("toy@Not Gentle.yaml", "why: x\n", "toy@Not Gentle.yaml: wanted a name"),
        ("nosuch@gentle.yaml", "why: x\n", "nosuch@gentle.yaml: wanted a name"),
    ],
)
def test_an_overlay(checkout, name, text, wanted):
    path = checkout.root / "config/variants" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    try:
        assert wanted in answer(checkout, "toy@gentle")
    finally:
        path.unlink()

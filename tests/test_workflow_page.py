"""The atlas as a target of the workflow: what makes it anew, and what it never builds."""

import json
import shutil

import pytest
from checkouts import Checkout

INDEX = "results/laptop/atlas/index.html"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy of the project in which the toy room and its atlas are built, by one call."""
    checkout = Checkout.make(tmp_path_factory.mktemp("built"))
    done = checkout.snakemake(INDEX)
    assert done.returncode == 0, done.stdout
    return checkout


def test_the_atlas_is_a_target_that_builds_what_it_shows(built):
    verdict = json.loads(built.result("verdict.json").read_text())["claims"]["C1"]["verdict"]
    index = (built.root / INDEX).read_text()
    assert "networks have a length" in index
    assert f"</span> {verdict}</span>" in index
    page = built.root / "results/laptop/atlas/toy.html"
    assert "snakemake results/laptop/toy/figures/norm_by_seed.svg --cores 2" in page.read_text()
    copy = page.with_name("files") / "toy/norm_by_seed.svg"
    assert copy.read_bytes() == built.result("figures/norm_by_seed.svg").read_bytes()


def test_a_second_atlas_has_nothing_to_do_and_stands_in_no_one_s_way(built):
    assert built.plan(INDEX) == set()
    assert built.plan() == set()
    assert "Nothing to be done" in built.snakemake(INDEX).stdout


def test_a_changed_figure_style_or_title_makes_it_anew(built):
    with built.edited_toy("figures.py", ".plot(", ".scatter("):
        assert built.plan(INDEX) == {"draw.norm_by_seed", "record", "page"}
    with built.edited("src/isthmus/page/templates/page.css", "margin: 0;", "margin: 1px;"):
        assert built.plan(INDEX) == {"page"}
    with built.edited_toy("study.yaml", "A toy paper", "A small paper"):
        assert built.plan(INDEX) == {"page"}
    assert built.plan(INDEX) == set()


def test_the_log_repeats_the_job(built):
    command = (built.root / "logs/laptop/page.log").read_text().splitlines()[0]
    assert command == "python -m isthmus page --scale laptop"
    before = (built.root / INDEX).read_bytes()
    built.must(*command.split())
    assert (built.root / INDEX).read_bytes() == before


def test_a_variant_that_is_there_is_shown_as_it_is_and_never_built(built):
    """It is built when it is asked for by its name; then the atlas shows it, also once the study has changed."""
    overlay = built.root / "config/variants/toy@gentle.yaml"
    overlay.parent.mkdir(exist_ok=True)
    overlay.write_text("why: smaller steps\nruns: {sgd: {lr: 0.05}}\n")
    try:
        assert built.plan(INDEX) == {"page"}
        built.must("snakemake", INDEX, "--cores", "2", "--quiet")
        assert "toy@gentle/verdict.json is not there" in (built.root / INDEX).read_text()
        built.must("snakemake", "toy@gentle", "--cores", "2", "--quiet")
        assert built.plan(INDEX) == {"page"}
        with built.edited_toy("study.yaml", "lr: 0.01", "lr: 0.02"):
            jobs = built.must("snakemake", INDEX, "--cores", "2", "--dry-run")
            assert "room=toy," in jobs
            assert "toy@gentle" not in jobs
        built.must("snakemake", INDEX, "--cores", "2", "--quiet")
        assert 'href="toy%40gentle.html"' in (built.root / INDEX).read_text()
        assert built.plan(INDEX) == set()
    finally:
        overlay.unlink()
        shutil.rmtree(built.root / "results/laptop/toy@gentle")


def test_rooms_that_were_not_chosen_are_named_and_not_built(built):
    shutil.copytree(built.root / "src/isthmus/papers/toy", built.root / "src/isthmus/papers/toy2")
    try:
        assert "train.sgd.000" in built.plan(INDEX)
        built.must("snakemake", INDEX, "--cores", "2", "--quiet", "--config", "papers=[toy]")
        assert "not built at this scale: results/laptop/toy2/verdict.json" in (built.root / INDEX).read_text()
    finally:
        shutil.rmtree(built.root / "src/isthmus/papers/toy2")

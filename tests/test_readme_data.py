"""config/README.md, "Data of your own": its code and commands, read from the page and followed at smoke scale."""

import re
import shutil

import pytest
from checkouts import SOURCE, Checkout
from readme import Command, steps

from isthmus import verdict_file

PAGE = (SOURCE / "config/README.md").read_text(encoding="utf-8")
STEPS = steps(re.search(r"^# Data of your own$(.*?)^# Import", PAGE, re.DOTALL | re.M)[1])


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout after all steps but the comparison with laptop results, which a checkout lacks."""
    made = Checkout.make(tmp_path_factory.mktemp("mine"), "ot_lmc")
    for step in STEPS:
        if not isinstance(step, Command):
            step.write(made.root)
        elif step.words[0] != "isthmus":
            smoke = ["scale=smoke"] if step.words[0] == "snakemake" else []
            made.must(*step.words, *smoke)
    return made


def test_verdicts_rest_on_the_folders_content(checkout):
    verdict = verdict_file.read(checkout.root / "results/smoke/ot_lmc@mine/verdict.json")
    assert {*verdict["data"]} == {"mine/full/unit"}
    assert len(verdict["claims"]) > 5


def test_the_last_step_compares_it_with_the_papers_own(checkout):
    last = STEPS[-1]
    assert last.words == ["isthmus", "compare", "ot_lmc", "ot_lmc@mine"]
    own = checkout.root / "results/smoke/ot_lmc/verdict.json"
    own.parent.mkdir()
    shutil.copy(SOURCE / "results/laptop/ot_lmc/verdict.json", own)
    assert "ot_lmc@mine" in checkout.must(*last.words, "--scale", "smoke")

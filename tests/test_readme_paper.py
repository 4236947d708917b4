"""README.md, "Add a paper": its commands and its code, read from the page and followed to the letter."""

import re
import shutil
from dataclasses import dataclass

import pytest
from checkouts import SOURCE, Checkout
from readme import Code, Command, steps

from isthmus import verdict_file

SECTION = re.search(r"^## Add a paper$(.*?)^(?:## |Licence)", (SOURCE / "README.md").read_text(), re.DOTALL | re.M)[
    1
]
STEPS = steps(SECTION)
RESULTS = "results/smoke/my_paper/verdict.json"


@dataclass(frozen=True)
class Walk:
    """A checkout after the walk, and what each command printed."""

    checkout: Checkout
    printed: list[tuple[str, str]]

    def of(self, command):
        """What each call of a command printed, in order."""
        return [shown for called, shown in self.printed if called == command]


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    made = Walk(Checkout.make(tmp_path_factory.mktemp("walk")), [])
    shutil.copy(SOURCE / "README.md", made.checkout.root)
    shutil.copytree(SOURCE / "tests", made.checkout.root / "tests", ignore=shutil.ignore_patterns("test_*", "toy"))
    for step in STEPS:
        if isinstance(step, Command):
            made.printed.append((step.line, made.checkout.must(*step.words)))
        else:
            step.write(made.checkout.root)
    return made


def test_the_section_has_the_steps_that_this_test_knows():
    commands = [step.words[0:2] for step in STEPS if isinstance(step, Command)]
    smoke, verdicts = ["snakemake", "my_paper"], ["isthmus", "verdicts"]
    last = [["isthmus", "plan"], smoke, ["isthmus", "sync"]]
    assert commands == [["isthmus", "new"], smoke, verdicts, ["python", "-m"], smoke, verdicts, *last]
    assert [str(step.file) for step in STEPS if isinstance(step, Code)] == ["src/isthmus/papers/my_paper/claims.py"]


def test_the_template_is_judged_and_then_the_new_claim_too(walk):
    before, after = walk.of("isthmus verdicts my_paper --scale smoke")
    assert "C1" in before
    assert "C2" not in before
    assert "C2" in after
    claims = verdict_file.read(walk.checkout.root / RESULTS)["claims"]
    assert {name: claim["verdict"] for name, claim in claims.items()} == {"C1": "holds", "C2": "holds"}
    assert all(claim["control"]["as_wanted"] for claim in claims.values())


def test_the_new_claim_trains_nothing(walk):
    first, second = walk.of("snakemake my_paper --cores 2 --config scale=smoke")
    assert {"train", "measure", "draw", "judge", "record"} <= {*re.findall(r"^(?:local)?rule (\w+):", first, re.M)}
    assert {*re.findall(r"^(?:local)?rule (\w+):", second, re.M)} == {"judge", "record", "my_paper"}


def test_its_own_tests_pass(walk):
    (printed,) = walk.of("python -m pytest tests/test_rooms_my_paper.py")
    assert re.search(r"^3 passed", printed, re.M)


def test_the_pages_are_in_step_at_the_end(walk):
    verdicts = verdict_file.read(walk.checkout.root / RESULTS.replace("smoke", "laptop"))["claims"]
    assert {claim["verdict"] for claim in verdicts.values()} == {"holds"}
    card = (walk.checkout.root / "src/isthmus/papers/my_paper/README.md").read_text()
    assert "| my_paper | C1 | Training makes a network more accurate | holds |" in card
    assert walk.checkout.must("isthmus", "sync", "--check") == ""
    walk.checkout.must("isthmus", "check", "my_paper")
    walk.checkout.must("ruff", "check", "src/isthmus/papers/my_paper", "tests/test_rooms_my_paper.py")
    walk.checkout.must("ruff", "format", "--check", "src/isthmus/papers/my_paper", "tests/test_rooms_my_paper.py")

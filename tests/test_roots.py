"""The code behind a training job: every module that a recipe can reach, by import or by name, and no other."""

from dataclasses import replace

import pytest
from training import STANDARD, mlp

from isthmus import fingerprint, parts, roots
from isthmus.engine.recipe import Branch, Named

CHILD = replace(STANDARD, branch=Branch(replace(STANDARD, optimizer=Named("adam")), 5))


@pytest.fixture
def asked(monkeypatch):
    """The roots that a fingerprint is asked for."""
    found = []
    monkeypatch.setattr(fingerprint, "of", lambda *modules: found.append({*modules}) or "fingerprint")
    return found


def test_training_reaches_all_that_a_recipe_may_switch_on():
    """Statically: probes, augmentation, dropout, statistics, kicks, schedules, and reading a parent's fleet."""
    reached = fingerprint.reachable("isthmus.verbs.train")
    wanted = ("augment", "batches", "checkpoints", "dropout", "evaluate", "fleet", "losses", "noise", "penalty",
              "perturb", "probes", "recipe", "schedules", "start", "statistics", "streams", "train")  # fmt: skip
    assert {f"isthmus.engine.{name}" for name in wanted} <= reached
    assert "isthmus.models.layers" in reached


def test_training_does_not_reach_how_a_study_is_written():
    reached = fingerprint.reachable("isthmus.verbs.train")
    assert not reached & {f"isthmus.{name}" for name in ("run_spec", "times", "specs", "parts", "rooms", "jobs")}


def test_every_model_and_optimizer_that_a_study_can_name_is_a_module():
    for kind, folder in ((parts.Model, "models"), (parts.Optimizer, "optimizers")):
        for name in kind.model_fields:
            assert f"isthmus.{folder}.{name}" in fingerprint.reachable(f"isthmus.{folder}.{name}")


def test_the_roots_of_a_run_are_its_verb_its_model_and_its_optimizer(asked):
    roots.train(STANDARD)
    assert asked == [{"isthmus.verbs.train", "isthmus.models.mlp", "isthmus.optimizers.sgd"}]


def test_the_roots_of_a_branch_are_its_parents_too(asked):
    """What changes how the parent is trained changes the verdicts on a child, borrowed by another room or not."""
    grandchild = replace(STANDARD, branch=Branch(CHILD, 7))
    for recipe in (CHILD, grandchild):
        roots.train(recipe)
        assert asked.pop() == {
            "isthmus.verbs.train", "isthmus.models.mlp", "isthmus.optimizers.sgd", "isthmus.optimizers.adam",
        }  # fmt: skip


def test_numbers_alone_are_no_code():
    assert roots.train(replace(STANDARD, model=mlp(3))) == roots.train(STANDARD)
    assert roots.train(CHILD) != roots.train(STANDARD)

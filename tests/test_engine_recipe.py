"""A recipe is numbers alone: its canonical form is equal for equal recipes, and changes with any of them."""

from dataclasses import replace

import pytest
from training import NETWORKS, STANDARD, recipe

from isthmus.engine.recipe import (
    Branch,
    Mask,
    Named,
    Network,
    Noise,
    Penalty,
    Perturbation,
    Probe,
    Pruning,
    Removal,
)

CHANGES = {
    "data": "toy/all/other",
    "model": Named("mlp", {"widths": (7, 6), "activation": "relu", "init": "he"}),
    "optimizer": Named("sgd", {"momentum": 0.91}),
    "schedule": Named("triangle", {"warmup": 0.2}),
    "batch": 9,
    "steps": 13,
    "networks": NETWORKS[:-1],
    "chunk": 7,
    "checkpoints": (0, 12),
    "loss": "squared",
    "lazy": 100.0,
    "branch": Branch("digest", 3),
    "pruning": Pruning(),
    "memory": (5,),
    "frozen": ("layers.0.*",),
    "augment": {"flip": True},
    "probes": (Probe("loss", (5,)),),
    "precision": "bfloat16",
    "threads": 2,
    "held_out": 0.3,
    "penalty": Penalty("scale", "lasso", "constant", 12),
    "noise": Noise("live", "constant", 12),
    "removal": Removal(5),
}
NETWORK_CHANGES = {"seed": 9, "lr": 0.3, "order": 5, "perturbation": Perturbation(0, "gaussian", 0.1),
                   "parent": 1, "mask": Mask("random", 0.5), "penalty": 0.1, "noise": 0.01, "remove": "dead",
                   "units": 0.5}  # fmt: skip
KICK_CHANGES = {"at": 1, "kind": "batch", "sigma": 0.2, "draw": 1}


def test_the_form_is_one_line_and_blind_to_how_settings_were_given():
    other = replace(STANDARD, model=Named("mlp", {"init": "he", "widths": [7, 5], "activation": "relu"}))
    assert other.canonical() == STANDARD.canonical()
    assert other.digest() == STANDARD.digest()
    assert "\n" not in STANDARD.canonical()


@pytest.mark.parametrize("field", CHANGES)
def test_any_other_number_is_another_recipe(field):
    assert CHANGES.keys() == {*STANDARD.__dataclass_fields__}
    other = replace(STANDARD, **{field: CHANGES[field]})
    assert other.canonical() != STANDARD.canonical()
    assert other.digest() != STANDARD.digest()


@pytest.mark.parametrize("field", ["held_out", "penalty", "noise", "removal"])
def test_a_recipe_without_something_younger_has_the_form_it_had_before_that_could_be_said(field):
    assert f'"{field}"' not in STANDARD.canonical()
    assert f'"{field}"' in replace(STANDARD, **{field: CHANGES[field]}).canonical()


@pytest.mark.parametrize("field", ["penalty", "noise", "remove", "units"])
def test_a_network_without_something_younger_has_the_form_it_had_before_that_could_be_said(field):
    run = replace(STANDARD, networks=(Network(0, 0.1),))
    assert f'"{field}"' not in run.canonical()
    changed = replace(run.networks[0], **{field: NETWORK_CHANGES[field]})
    assert f'"{field}"' in replace(run, networks=(changed,)).canonical()


@pytest.mark.parametrize("field", [*NETWORK_CHANGES, *KICK_CHANGES])
def test_any_other_number_of_a_network_is_another_recipe(field):
    network = Network(0, 0.1, 0, None if field == "perturbation" else Perturbation(0, "gaussian", 0.1))
    if field in NETWORK_CHANGES:
        other = replace(network, **{field: NETWORK_CHANGES[field]})
    else:
        other = replace(network, perturbation=replace(network.perturbation, **{field: KICK_CHANGES[field]}))
    assert recipe(networks=(network,)).canonical() != recipe(networks=(other,)).canonical()


BRANCHES = {"parent": replace(STANDARD, steps=11), "at": 4, "memory": True, "fresh": True}
PRUNINGS = {"giver": STANDARD, "spared": ("layers.0.*",), "layerwise": True, "rate": 0.3, "slower": {"head.*": 0.5},
            "align": "weights", "examples": 5}  # fmt: skip


def test_any_other_number_of_a_branch_or_a_pruning_is_another_recipe():
    branch, pruning = Branch(STANDARD, 3), Pruning()
    assert BRANCHES.keys() == {*branch.__dataclass_fields__}
    assert PRUNINGS.keys() == {*pruning.__dataclass_fields__}
    others = [replace(STANDARD, branch=replace(branch, **{key: value})) for key, value in BRANCHES.items()]
    others += [replace(STANDARD, pruning=replace(pruning, **{key: value})) for key, value in PRUNINGS.items()]
    known = [STANDARD, replace(STANDARD, branch=branch), replace(STANDARD, pruning=pruning)]
    assert len({one.canonical() for one in (*others, *known)}) == len(others) + len(known)


def test_a_chain_of_recipes_is_named_by_digests_and_walked_once():
    """Each of them begins at the one before and is pruned by it: written out, the last would hold 2^40 recipes."""
    last = STANDARD
    for _ in range(40):
        last = replace(last, branch=Branch(last, 3), pruning=Pruning(last))
    assert len(last.canonical()) < 2 * len(STANDARD.canonical())
    assert len(list(last.lineage)) == 41
    first = replace(STANDARD, steps=STANDARD.steps + 1)
    assert (
        replace(STANDARD, pruning=Pruning(first)).digest() != replace(STANDARD, pruning=Pruning(STANDARD)).digest()
    )


@pytest.mark.parametrize(("chunk", "sizes"), [(8, [8]), (100, [8]), (3, [3, 3, 2]), (1, [1] * 8)])
def test_chunks_cover_every_row_once_in_order(chunk, sizes):
    found = recipe(chunk=chunk).chunks
    assert [rows.stop - rows.start for rows in found] == sizes
    assert [row for rows in found for row in range(rows.start, rows.stop)] == list(range(8))

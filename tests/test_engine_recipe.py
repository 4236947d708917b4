"""A recipe is numbers alone: its canonical form is equal for equal recipes, and changes with any of them."""

from dataclasses import replace

import pytest
from training import NETWORKS, STANDARD, recipe

from isthmus.engine.recipe import Branch, Named, Network, Perturbation, Probe

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
    "memory": (5,),
    "frozen": ("layers.0.*",),
    "augment": {"flip": True},
    "probes": (Probe("loss", (5,)),),
    "precision": "bfloat16",
    "threads": 2,
}
NETWORK_CHANGES = {"seed": 9, "lr": 0.3, "order": 5, "perturbation": Perturbation(0, "gaussian", 0.1),
                   "parent": 1}  # fmt: skip
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


@pytest.mark.parametrize("field", [*NETWORK_CHANGES, *KICK_CHANGES])
def test_any_other_number_of_a_network_is_another_recipe(field):
    network = Network(0, 0.1, 0, None if field == "perturbation" else Perturbation(0, "gaussian", 0.1))
    if field in NETWORK_CHANGES:
        other = replace(network, **{field: NETWORK_CHANGES[field]})
    else:
        other = replace(network, perturbation=replace(network.perturbation, **{field: KICK_CHANGES[field]}))
    assert recipe(networks=(network,)).canonical() != recipe(networks=(other,)).canonical()


@pytest.mark.parametrize(("chunk", "sizes"), [(8, [8]), (100, [8]), (3, [3, 3, 2]), (1, [1] * 8)])
def test_chunks_cover_every_row_once_in_order(chunk, sizes):
    found = recipe(chunk=chunk).chunks
    assert [rows.stop - rows.start for rows in found] == sizes
    assert [row for rows in found for row in range(rows.start, rows.stop)] == list(range(8))

"""Runs that begin pruned: each kind of mask is what its function gives for that network alone, rounds are nested,
and what is pruned stays zero."""

from dataclasses import replace

import pytest
import torch
from training import STEPS, Steps, dataset, mlp, recipe

from isthmus.engine.checkpoints import train_chunk
from isthmus.engine.fleet import Fleet
from isthmus.engine.recipe import Branch, Mask, Network, Pruning
from isthmus.engine.start import Start, branched
from isthmus.errors import UserError
from isthmus.pruning import masks
from isthmus.pruning.begin import pruned
from isthmus.pruning.kinds import KINDS
from isthmus.symmetry import table

SEEDS = tuple(Network(seed, 0.05) for seed in range(4))
AT = 5
DATA = dataset(200)


def run(**changes):
    return recipe(model=mlp(7, 5), networks=SEEDS, chunk=4, checkpoints=(AT, STEPS), **changes)


def grown(one, folder, fleets=None, data=DATA):
    """The recipe's fleet, begun as its branch and pruning say. fleets: those it reads, by role."""
    paths = [folder / f"{one.digest()}-{index}.safetensors" for index in range(len(one.chunks))]
    for index, path in enumerate(paths):
        start = None if one.branch is None else branched(one, one.chunks[index], fleets["parent"])
        if one.pruning is not None:
            start = pruned(one, one.chunks[index], start or Start(), data, fleets or {})
        train_chunk(one, index, data, path, path.with_suffix(".save"), "code", Steps(), start)
    return Fleet.load(paths, one, data)


def masked(networks, kind, density=None, rows=True):
    """The networks, each with a mask of this kind from the network in its own row."""
    return tuple(
        replace(network, mask=Mask(kind, density, row if rows else None)) for row, network in enumerate(networks)
    )


def rewound(dense, giver, kind, density=None, **changes):
    """A run from the dense run's checkpoint, with masks of the giver."""
    networks = tuple(replace(one, parent=row) for row, one in enumerate(dense.networks))
    begun = run(branch=Branch(dense, AT), pruning=Pruning(giver, **changes))
    return replace(begun, networks=masked(networks, kind, density), checkpoints=(STEPS,))


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    return grown(run(), tmp_path_factory.mktemp("dense"))


def slots_of(fleet, spared=()):
    return masks.prunable(fleet.architecture.layout, spared)


def test_rounds_of_magnitude_pruning_are_nested_rewound_and_exact(dense, tmp_path):
    giver, before = dense, torch.ones_like(dense.final, dtype=torch.bool)
    slots = slots_of(dense)
    for density in (0.8, 0.64, 0.5):
        one = rewound(dense.recipe, giver.recipe, "magnitude", density)
        fleet = grown(one, tmp_path, {"parent": dense, "giver": giver})
        wanted = masks.magnitude(slots, giver.final, giver.mask, density)
        assert torch.equal(fleet.mask, wanted)
        assert not (fleet.mask & ~before).any()
        assert (fleet.final[~fleet.mask] == 0).all()
        assert (fleet.final[fleet.mask] != 0).float().mean() > 0.99
        count = sum(slot.stop - slot.start for slot in slots.values())
        assert [sum(kept).item() for kept in zip(*masks.counts(slots, fleet.mask).values(), strict=True)] == [
            round(density * count)
        ] * 4
        giver, before = fleet, fleet.mask


def test_a_whole_mask_is_dense_training_bit_for_bit(dense, tmp_path):
    one = rewound(dense.recipe, dense.recipe, "magnitude", 1.0)
    whole = grown(replace(one, pruning=None), tmp_path, {"parent": dense})
    fleet = grown(one, tmp_path, {"parent": dense, "giver": dense})
    assert torch.equal(fleet.final, whole.final)
    assert whole.mask.all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_is_the_networks_own_whatever_stands_beside_it(kind, dense, tmp_path):
    """Alone, in other chunks and in the company of other kinds and densities."""
    ticket = grown(rewound(dense.recipe, dense.recipe, "magnitude", 0.4), tmp_path,
                   {"parent": dense, "giver": dense})  # fmt: skip
    fleets = {"parent": dense, "giver": ticket, "dense": dense}
    density = 0.3 if KINDS[kind].chooses else None
    together = rewound(dense.recipe, ticket.recipe, kind, density, examples=3)
    begun = branched(together, slice(0, 4), dense)
    whole = pruned(together, slice(0, 4), begun, DATA, fleets).mask
    assert not whole.all(1).any()
    mixed = list(together.networks)
    mixed[1] = replace(mixed[1], mask=Mask("random", 0.9, 1))
    mixed[2] = replace(mixed[2], mask=None)
    mixed = replace(together, networks=tuple(mixed))
    found = pruned(mixed, slice(0, 4), begun, DATA, fleets).mask
    assert torch.equal(found[[0, 3]], whole[[0, 3]])
    assert found[2].all()
    alone = pruned(together, slice(3, 4), branched(together, slice(3, 4), dense), DATA, fleets).mask
    assert torch.equal(alone, whole[3:])


def test_masks_that_choose_have_their_density_and_spare_what_they_are_told(dense):
    for kind in (kind for kind in KINDS if KINDS[kind].chooses):
        one = replace(
            run(pruning=Pruning(spared=("layers.2.*",), examples=3)), networks=masked(SEEDS, kind, 0.3, False)
        )
        mask = pruned(one, slice(0, 4), Start(), DATA, {}).mask
        slots = slots_of(dense, ("layers.2.*",))
        count = sum(slot.stop - slot.start for slot in slots.values())
        assert (sum(masks.counts(slots, mask).values()) == round(0.3 * count)).all(), kind
        head = dense.architecture.layout.slots["layers.2.weight"]
        assert mask[:, head.start : head.stop].all()


def test_layerwise_pruning_is_slower_where_it_is_told(dense):
    how = Pruning(layerwise=True, rate=0.2, slower={"layers.2.*": 0.5})
    one = replace(run(pruning=how), networks=masked(SEEDS, "magnitude", 0.64, False))
    mask = pruned(one, slice(0, 4), Start(), DATA, {}).mask
    found = {name: kept.unique().tolist() for name, kept in masks.counts(slots_of(dense), mask).items()}
    assert found == {"layers.0.weight": [round(0.64 * 42)], "layers.1.weight": [round(0.64 * 35)],
                     "layers.2.weight": [round(0.81 * 15)]}  # fmt: skip


def test_an_aligned_mask_undoes_a_permutation_of_the_network_that_it_comes_from(dense, tmp_path):
    """B is A with its units in another order: the mask of A's ticket, aligned, is that mask in B's order."""
    layout, axes = dense.architecture.layout, dense.architecture.axes
    perms = table.random(table.group_sizes(layout, axes), [1, 2, 3, 4])
    other = replace(dense, thetas={step: table.permute(layout, axes, perms, rows)
                                   for step, rows in dense.thetas.items()})  # fmt: skip
    ticket = grown(rewound(dense.recipe, dense.recipe, "magnitude", 0.4), tmp_path,
                   {"parent": dense, "giver": dense})  # fmt: skip
    second = grown(rewound(dense.recipe, ticket.recipe, "magnitude", 0.3), tmp_path,
                   {"parent": dense, "giver": ticket})  # fmt: skip
    fleets = {"parent": other, "giver": second, "dense": dense}
    for align in ("pearson", "weights"):
        one = rewound(dense.recipe, second.recipe, "aligned", align=align)
        mask = pruned(one, slice(0, 4), branched(one, slice(0, 4), other), DATA, fleets).mask
        assert torch.equal(mask, table.permute(layout, axes, perms, second.mask))
        naive = replace(one, networks=masked(one.networks, "same"))
        assert not torch.equal(
            pruned(naive, slice(0, 4), branched(naive, slice(0, 4), other), DATA, fleets).mask, mask
        )


def test_a_giver_of_another_recipe_and_settings_that_do_not_fit_are_refused(dense):
    one = rewound(dense.recipe, replace(dense.recipe, batch=9), "same")
    with pytest.raises(UserError, match="pruned by, found another's"):
        pruned(one, slice(0, 4), branched(one, slice(0, 4), dense), DATA, {"parent": dense, "giver": dense})
    one = replace(
        run(pruning=Pruning(layerwise=True, slower={"nosuch": 0.5})), networks=masked(SEEDS, "random", 0.5)
    )
    with pytest.raises(UserError, match=r"prune: slower: wanted names among layers\.0\.weight, .*, found 'nosuch'"):
        pruned(one, slice(0, 4), Start(), DATA, {})
    one = replace(run(pruning=Pruning(examples=1000)), networks=masked(SEEDS, "snip", 0.5, False))
    with pytest.raises(UserError, match="prune: balanced batch: wanted 1000 examples of each class, found "):
        pruned(one, slice(0, 4), Start(), DATA, {})
    one = replace(run(pruning=Pruning(layerwise=True)), networks=masked(SEEDS, "synflow", 0.5, False))
    with pytest.raises(UserError, match="prune: layerwise: wanted false"):
        pruned(one, slice(0, 4), Start(), DATA, {})

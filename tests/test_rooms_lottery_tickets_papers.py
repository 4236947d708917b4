"""The papers' own settings of the room on lottery tickets, on real images where there are some, for a few steps at
their real sizes: dense networks, rounds of pruning, and who wears the masks."""

from dataclasses import dataclass
from itertools import pairwise

import pandas as pd
import pytest
import torch
from data_files import first_images, write_register
from room_builds import fleet_of, table_of

from isthmus import paths, rooms, specs, typed
from isthmus.data import prepared
from isthmus.data.prepare import prepare
from isthmus.engine import serial
from isthmus.engine.fleet import Fleet
from isthmus.pruning import masks
from isthmus.rounds import unrolled

SPARSE = {"seeds": 1, "time": "1it", "branch": {"at": "1it"}, "prune": {"density": 0.5}}


@dataclass(frozen=True)
class Paper:
    """A scale of the room and what of it is tried: its data, how its settings are shortened, one table."""

    name: str
    source: str
    shape: tuple[int, ...]
    split: str
    files: dict[str, int]
    sizes: dict[str, int]
    runs: dict[str, dict]
    table: str
    reads: tuple[str, ...]


LENET = {"seeds": 2, "time": "4it", "checkpoints": ["2it", "end"]}
MNIST = Paper(
    "mnist", "mnist", (1, 28, 28), "selection", {"train": 500, "test": 100},
    {"train": 400, "validation": 100, "test": 100},
    {"dense": LENET, "imp": {**LENET, "rounds": {"through": [0.512]}}, "fresh_1": LENET},
    "tickets", ("dense", "imp", "fresh_1"),
)  # fmt: skip
RESNET = {"seeds": 1, "time": "2it", "batch": 8, "checkpoints": ["1it"]}
FINETUNED = {"time": "1it", "batch": 8, "seeds": 1, "prune": {"rate": 0.5}, "rounds": {"through": [0.5]}}
CIFAR = Paper(
    "cifar", "cifar10-jpeg", (3, 32, 32), "full", {"train": 48, "test": 40}, {"train": 48, "test": 40},
    {"dense": RESNET, "others": RESNET, "imp": FINETUNED, "lth_1": {**SPARSE, "batch": 8},
     "arms_1": {**SPARSE, "batch": 8, "networks": [{"mask": ["aligned"]}]},
     "narrow": {**RESNET, "seeds": 2}, "narrow_imp": FINETUNED, "narrow_lth": {**SPARSE, "batch": 8},
     "narrow_arms": {**SPARSE, "batch": 8, "first_seed": 1001}},
    "transfer", ("lth_1", "arms_1", "narrow_lth", "narrow_arms"),
)  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """The fleets of a paper's scale after a few steps, and the table measured of them."""

    fleets: dict[str, Fleet]
    table: pd.DataFrame


def shortened(paper):
    """The room at the paper's scale with few seeds and steps, and what is not tried left out."""
    path = rooms.PAPERS / "lottery_tickets/study.yaml"
    content = typed.read_yaml(path)
    scale = content["scales"][paper.name]
    whole = specs.merge(content, {key: scale.get(key, {}) for key in ("runs", "tables", "figures")})
    few = {
        "runs": {**dict.fromkeys(whole["runs"]), **paper.runs},
        "tables": {**dict.fromkeys(whole["tables"]), paper.table: {"runs": list(paper.reads)}},
        "figures": dict.fromkeys(whole["figures"]),
    }
    study = typed.checked(specs.Study, specs.merge(whole, few), path)
    return rooms.Room("lottery_tickets", None, paper.name, unrolled(study), path)


def tried(root, paper):
    """The shortened room, trained and measured in `root` on the first images."""
    with pytest.MonkeyPatch.context() as patch:
        first_images(root / "images", paper.source, paper.shape, paper.files)
        key = shortened(paper).runs["dense"].recipe.data

        def small(sets):
            splits = sets[key.split("/")[0]]["splits"]
            splits["full"].update(sizes=paper.files)
            splits[paper.split].update(sizes=paper.sizes)

        write_register(root, small)
        patch.setenv("ISTHMUS_ROOT", str(root))
        patch.chdir(root)
        room = shortened(paper)
        prepare(key, root / paths.prepared(key), str(root / "images"))
        data = prepared.load(root / paths.prepared(key))
        fleets = {run.name: fleet_of(run, data) for run in room.runs.values()}
        yield Tried(fleets, table_of(room, paper.table))


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    yield from tried(tmp_path_factory.mktemp("mnist"), MNIST)


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    yield from tried(tmp_path_factory.mktemp("cifar"), CIFAR)


def test_the_first_papers_recipe():
    room = rooms.load("lottery_tickets", "mnist")
    assert room.paper_setting
    dense = room.runs["dense"].recipe
    assert dense.data == "mnist/selection/unit"
    assert dense.model.settings["widths"] == (300, 100)
    assert (dense.optimizer.name, {one.lr for one in dense.networks}, dense.schedule.name) == (
        "adam", {0.0012}, "constant")  # fmt: skip
    assert (dense.batch, dense.steps) == (60, 50_000)
    rounds = [room.runs[f"imp_{place:02d}"].recipe for place in range(1, 16)]
    found = [one.networks[0].mask.density for one in rounds]
    assert found == pytest.approx([0.8**place for place in range(1, 16)], rel=0.02)
    assert found[-1] == 0.0356
    # Rewound to the initialisation, not to a later update.
    assert all(one.branch is None and one.steps == dense.steps for one in rounds)
    assert rounds[0].pruning.slower == {"layers.2.weight": 0.5}
    seeds = {name: {one.seed for one in run.recipe.networks} for name, run in room.runs.items()}
    assert len(seeds["dense"]) == len(seeds["fresh_1"]) == 6
    assert not seeds["dense"] & seeds["fresh_1"]
    # Two jobs a run of six networks: one for each of two cores.
    assert all(run.recipe.chunk == 3 for run in room.runs.values())


def test_the_third_papers_recipe():
    room = rooms.load("lottery_tickets", "cifar")
    assert room.paper_setting
    recipes = {name: run.recipe for name, run in room.runs.items()}
    epoch = 50_000 // 128
    assert recipes["dense"].steps == 200 * epoch
    assert [recipes[name].model.settings["width"] for name in ("dense", "narrow")] == [64, 16]
    chain = [recipes[f"imp_{place:02d}"] for place in range(1, 19)]
    assert [one.networks[0].mask.density for one in (chain[10], chain[14], chain[17])] == [0.1, 0.05, 0.03]
    # Fine-tuned from where the last round ended, without momentum and weight decay.
    assert chain[3].branch.parent == chain[2]
    assert chain[3].branch.at == 50 * epoch
    assert chain[3].optimizer.settings == {"momentum": 0.0, "weight_decay": 0.0, "nesterov": False}
    worn = [one for one in recipes.values() if any(net.mask and net.mask.kind == "aligned" for net in one.networks)]
    cells = {
        (one.model.settings["width"], one.branch.at // epoch, one.pruning.giver.networks[0].mask.density)
        for one in worn
    }
    assert cells == {(w, k, s) for w in (16, 64) for k in (0, 10, 50) for s in (0.1, 0.05, 0.03)}
    assert len(worn) == len(cells)
    assert all(one.branch.fresh and one.steps + one.branch.at == 200 * epoch for one in worn)


def test_lenets_rounds_prune_each_layer_and_the_head_at_half_the_rate(mnist):
    dense = mnist.fleets["dense"]
    assert dense.final.shape == (2, 784 * 300 + 300 * 100 + 100 * 10 + 410)
    oracle = serial.train(dense.recipe, dense.networks[0], dense.data)
    torch.testing.assert_close(dense.final[0], oracle, rtol=1e-3, atol=1e-5)
    rounds = [mnist.fleets[f"imp_{place:02d}"] for place in (1, 2, 3)]
    slots = masks.prunable(dense.architecture.layout)
    for before, after in pairwise(rounds):
        assert not (after.mask & ~before.mask).any()
    kept = {name: share.tolist() for name, share in masks.layer_density(slots, rounds[-1].mask).items()}
    assert kept["layers.0.weight"] == pytest.approx([0.512] * 2, abs=1e-4)
    assert kept["layers.1.weight"] == pytest.approx([0.512] * 2, abs=1e-4)
    assert kept["layers.2.weight"] == pytest.approx([0.9**3] * 2, abs=1e-3)
    assert not rounds[-1].final[~rounds[-1].mask].any()
    fresh = mnist.fleets["fresh_1"]
    assert torch.equal(fresh.mask[0], rounds[-1].mask[0])
    assert not torch.equal(fresh.mask[2], rounds[-1].mask[0])
    assert fresh.mask[2].sum() == rounds[-1].mask[0].sum()


def test_lenets_are_measured_like_any_other_scale(mnist):
    counts = mnist.table.groupby(["arm", "density"]).size()
    assert counts["dense", 1.0] == counts["ticket", 0.512] == counts["shuffled", 0.512] == 2
    assert counts["naive", 0.512] == 4
    assert set(mnist.table["stop"]) <= {2, 4}
    assert mnist.table["right"].str.len().unique().tolist() == [100]


def test_resnets_wear_masks_fine_tuned_and_aligned(cifar):
    for imp, lth, arms in (("imp_01", "lth_1", "arms_1"), ("narrow_imp_01", "narrow_lth", "narrow_arms")):
        giver, ticket, worn = (cifar.fleets[name] for name in (imp, lth, arms))
        layout = giver.architecture.layout
        slots = masks.prunable(layout, ("*.shortcut.weight",))
        kept = masks.counts(slots, giver.mask)
        total = sum(slot.stop - slot.start for slot in slots.values())
        assert sum(kept.values()).tolist() == [round(0.5 * total)]
        spared = [name for name, values in layout.split(giver.mask).items() if bool(values.all())]
        assert {name for name in layout.slots if "shortcut.weight" in name} <= {*spared}
        assert torch.equal(ticket.mask, giver.mask)
        row = next(row for row, one in enumerate(worn.networks) if one.mask.kind == "aligned")
        assert masks.counts(slots, worn.mask[[row]]) == kept
        assert not torch.equal(worn.mask[[row]], giver.mask)
        for fleet in (ticket, worn):
            assert not fleet.final[~fleet.mask].any()
            assert fleet.diverged_at.unique().tolist() == [-1]


def test_resnets_are_measured_like_any_other_scale(cifar):
    found = cifar.table.groupby("width")["arm"].agg(list).to_dict()
    assert found == {16: ["ticket", "naive", "permuted", "reordered", "shuffled"], 64: ["ticket", "permuted"]}
    assert cifar.table["kept"].tolist() == pytest.approx([0.5] * 7, abs=1e-4)
    assert cifar.table["rewind"].unique().tolist() == [0.5]
    assert cifar.table["accuracy"].between(0, 1).all()

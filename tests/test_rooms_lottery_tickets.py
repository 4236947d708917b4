"""The room on lottery tickets, built tiny: who wears whose mask, what its tables say of known networks, its
claims where they are true and where they are not, its figures."""

import numpy as np
import planted_tickets
import pytest
import torch
from room_builds import built, lacking_ways, samples_of, unlabelled

from isthmus import rooms, verdict_file, verdicts
from isthmus.claims import Claim
from isthmus.connectivity.barrier import barrier, on_line
from isthmus.engine.evaluate import evaluate, logits
from isthmus.judging import judged
from isthmus.papers.lottery_tickets.claims import CLAIMS
from isthmus.symmetry import table
from isthmus.symmetry.activations import activation_matching
from isthmus.symmetry.repair import repaired_line
from isthmus.verbs.judge import judge

PAIRS = 2
FIGURES = tuple(rooms.load("lottery_tickets", "smoke").figures)
PLANTED = {true: planted_tickets.tables(true) for true in (True, False)}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    sizes = {"train": 128, "validation": 30, "test": 40}
    with built(tmp_path_factory.mktemp("root"), "lottery_tickets", {}, sizes) as made:
        yield made


def rows_of(build, run, **where):
    """Rows of a run's fleet in the table of all arms."""
    frame = build.tables["tickets" if run in ("dense", "imp_01", "fresh_3") else "transfer"]
    frame = frame[frame["run"] == run]
    for key, value in where.items():
        frame = frame[frame[key] == value]
    return frame


def test_arms_are_who_wears_whose_mask(build):
    tickets, transfer = build.tables["tickets"], build.tables["transfer"]
    own = tickets["arm"].isin(["dense", "ticket"])
    assert (tickets["seed"] == tickets["pair"])[own].all()
    assert (tickets["seed"] == tickets["pair"] + 2)[~own].all()
    arms = transfer.groupby("run")["arm"].agg(set)
    assert arms["imp_05"] == arms["lth_1"] == arms["narrow_lth"] == {"ticket"}
    assert arms["arms_2"] == arms["narrow_arms"] == {"naive", "permuted", "reordered", "shuffled"}
    assert arms["fresh_3"] == {"naive", "permuted", "shuffled"}
    assert transfer.groupby("run")["density"].first()[["arms_1", "lth_2", "narrow_arms"]].tolist() == [
        0.0865, 0.0555, 0.0555]  # fmt: skip
    assert (transfer["kept"] - transfer["density"]).abs().max() < 0.01
    assert set(transfer["rewind"]) == {0.0, 2 / 6}
    assert (transfer["seed"] == transfer["pair"] + 2)[
        transfer["run"].isin(["arms_1", "fresh_4", "narrow_arms"])
    ].all()
    assert not transfer.duplicated(["width", "pair", "arm", "rewind", "density"]).any()
    assert not tickets.duplicated(["pair", "lr", "order", "arm", "density"]).any()


def test_an_aligned_mask_is_a_with_its_units_in_the_order_of_b(build):
    """The whole way from the study: dense A to trained B by activations, on the mask of A's round."""
    worn, imp = build.fleets["arms_1"], build.fleets["imp_03"]
    layout, axes = worn.architecture.layout, worn.architecture.axes
    a, b = build.fleets["dense"].final[[0, 4]], build.fleets["others"].final[:2]
    x = worn.data.inputs["train"]
    perms = activation_matching(worn.architecture, b, a, x, "pearson")
    mask = imp.mask[[0, 4]]
    kinds = [network.mask.kind for network in worn.networks]
    found = {kind: worn.mask[[row for row, one in enumerate(kinds) if one == kind]] for kind in set(kinds)}
    assert torch.equal(found["same"], mask)
    assert torch.equal(found["aligned"], table.permute(layout, axes, perms, mask))
    assert not torch.equal(found["reordered"], found["same"])
    assert found["reordered"].sum(1).tolist() == mask.sum(1).tolist()
    start = build.fleets["others"].thetas[build.fleets["others"].recipe.checkpoints[1]][0]
    # Where it begins, and where it has been trained to, a pruned weight is zero.
    assert (start[~mask[0]] != 0).any()
    assert not worn.final[~worn.mask].any()


def test_a_network_is_stopped_where_its_validation_loss_is_least(build):
    fleet = build.fleets["imp_01"]
    frame = rows_of(build, "imp_01").reset_index()
    data, classes = fleet.data, logits(fleet.architecture, fleet.final, fleet.data.inputs["test"]).argmax(-1)
    for row, found in frame.iterrows():
        losses = {
            step: float(evaluate(fleet.architecture, theta[[row]], data.inputs["validation"],
                                 data.labels["validation"])[0])
            for step, theta in fleet.thetas.items()
        }  # fmt: skip
        assert losses[found["stop"]] == pytest.approx(min(losses.values()), rel=1e-6)
        there = logits(fleet.architecture, fleet.thetas[found["stop"]][[row]], data.inputs["test"])
        wanted = (there.argmax(-1)[0] == data.labels["test"]).tolist()
        assert [letter == "x" for letter in found["right"]] == wanted
        assert found["accuracy"] == pytest.approx(np.mean(wanted))
        assert found["end_accuracy"] == pytest.approx(float((classes[row] == data.labels["test"]).double().mean()))


def test_instability_is_between_copies_that_differ_by_the_order_alone(build):
    """Copies of a branch against the parent's own network, masked ones against each other."""
    frame, points = build.tables["stability"], build.room.tables["stability"].settings["points"]
    dense, copies, lth = (build.fleets[run] for run in ("dense", "copies_2", "lth_3"))
    known = {
        ("copies_2", 0, 0.2): (dense.final[2], copies.final[1]),
        ("dense", 1, 0.05): (dense.final[4], dense.final[5]),
        ("lth_3", 1, 0.2): (lth.final[6], lth.final[7]),
    }
    for (run, pair, lr), (a, b) in known.items():
        row = frame[(frame["run"] == run) & (frame["pair"] == pair) & (frame["lr"] == lr)].iloc[0]
        assert not torch.equal(a, b)
        for part, column in (("test", "instability"), ("train", "instability_train")):
            x, y = dense.data.inputs[part], dense.data.labels[part]
            line = on_line(dense.architecture, a[None], b[None], x, y, points)
            assert row[column] == pytest.approx(float(barrier(line.errors, line.alphas)), abs=1e-9)
    assert frame[frame["arm"] == "dense"]["rewind"].nunique() == 4
    # Until k the copies are one network: what is shared is the parent's, updates and memory.
    assert torch.isnan(copies.loss[:, : copies.recipe.branch.at]).all()


def test_overlap_is_of_two_masks_as_they_are_and_with_the_units_of_one_aligned(build):
    overlap, imp, dense = build.tables["overlap"], build.fleets["imp_02"], build.fleets["dense"]
    assert overlap["pair"].unique().tolist() == [0]
    layout, axes, ends = dense.architecture.layout, dense.architecture.axes, dense.final[[0, 4]]
    perms = activation_matching(dense.architecture, ends[:1], ends[1:], dense.data.inputs["train"], "pearson")
    first, second = imp.mask[[0]], imp.mask[[4]]
    for units, other in {"as they are": second, "aligned": table.permute(layout, axes, perms, second)}.items():
        rows = overlap[(overlap["run"] == "imp_02") & (overlap["units"] == units)].set_index("layer")["iou"]
        for layer in ("layers.0", "layers.1", "layers.2", "layers.3"):
            a, b = (layout.split(mask)[f"{layer}.weight"] for mask in (first, other))
            assert rows[layer] == pytest.approx(float((a & b).sum() / (a | b).sum())), (units, layer)


def test_paths_begin_at_the_dense_network_and_end_at_each_rounds_ticket(build):
    path = build.tables["path"]
    rounds = path[path["other"] == "ticket"]["density"].unique()
    assert rounds.tolist() == [0.512, 0.21, 0.0865, 0.0555, 0.0356]
    assert path[path["other"] == "next"]["density"].unique().tolist() == [0.0356]
    assert len(path) == (len(rounds) + 2) * PAIRS * 2
    assert (path[["barrier", "error_barrier"]] >= 0).all(axis=None)
    plain = path[(path["other"] == "copy") & (path["line"] == "plain")].set_index("seed")["error_barrier"]
    stable = build.tables["stability"]
    same = stable[(stable["run"] == "dense") & (stable["lr"] == 0.05)].set_index("pair")["instability"]
    assert plain.tolist() == pytest.approx(same.tolist(), abs=1e-9)


def test_five_tickets_of_one_mask_are_together_what_their_outputs_are(build):
    found = build.tables["diversity"].set_index(["pair", "arm"])
    assert found["members"].unstack().iloc[0].to_dict() == {
        "first orders": 2, "last orders": 2, "naive": 5, "permuted": 5, "ticket": 5}  # fmt: skip
    runs = ["arms_1", "more_1", "more_2", "more_3", "more_4"]
    x, y = (side["test"] for side in (build.fleets["arms_1"].data.inputs, build.fleets["arms_1"].data.labels))
    members = []
    for run in runs:
        fleet = build.fleets[run]
        aligned = [row for row, one in enumerate(fleet.networks) if one.mask.kind == "aligned"]
        assert fleet.networks[aligned[1]].mask.row == build.fleets["arms_1"].networks[-1].mask.row
        members.append(logits(fleet.architecture, fleet.final[[aligned[1]]], x)[0].double().softmax(-1))
    row = found.loc[(1, "permuted")]
    together = torch.stack(members).mean(0).argmax(-1) == y
    assert row["right"] == "".join("x" if one else "." for one in together)
    classes = torch.stack(members).argmax(-1)
    apart = [float((classes[a] != classes[b]).double().mean()) for a in range(5) for b in range(a)]
    assert row["disagreement"] == pytest.approx(np.mean(apart))
    assert row["accuracy"] == pytest.approx(float((classes == y).double().mean()))
    kl = [float((a * (a / b).log()).sum(-1).mean()) for a in members for b in members if a is not b]
    assert row["kl"] == pytest.approx(np.mean(kl), rel=1e-4)


def test_matching_moves_a_towards_b_at_each_width(build):
    matched = build.tables["matched"].set_index(["width", "pair", "line"])["barrier"]
    assert sorted(matched.index.unique("width")) == [8, 16]
    fleet = build.fleets["narrow"]
    a, b = fleet.final[[1]], fleet.final[[3]]
    layout, axes, data = fleet.architecture.layout, fleet.architecture.axes, fleet.data
    perms = activation_matching(fleet.architecture, b, a, data.inputs["train"], "pearson")
    moved, test = table.permute(layout, axes, perms, a), (data.inputs["test"], data.labels["test"])
    lines = {
        "plain": on_line(fleet.architecture, a, b, *test, 5),
        "aligned": on_line(fleet.architecture, moved, b, *test, 5),
        "aligned and repaired": repaired_line(fleet.architecture, moved, b, data.inputs["train"], *test, 5),
    }
    for name, line in lines.items():
        assert matched[8, 1, name] == pytest.approx(float(barrier(line.losses, line.alphas)), abs=1e-7), name
    assert not torch.equal(lines["aligned"].losses, lines["aligned and repaired"].losses)


@pytest.mark.parametrize("claim", CLAIMS, ids=[claim.id for claim in CLAIMS])
def test_every_claim_and_control_finds_its_units(claim: Claim, build):
    for kind, measured in samples_of(claim, build.tables):
        # A ratio, left one out of two, may have nothing under it.
        assert kind.n(measured) == PAIRS or claim.id == "SA2b"


@pytest.mark.parametrize("claim", CLAIMS, ids=[claim.id for claim in CLAIMS])
def test_a_claim_holds_where_it_is_planted_and_not_where_it_is_not(claim: Claim):
    true = judged(claim, PLANTED[True], False)
    assert true["verdict"] == "holds", true
    assert true["n"] == 10
    assert judged(claim, PLANTED[False], False)["verdict"] in ("contradicted", "unclear", "weaker")


def test_judging_gives_a_whole_verdict_file(build):
    room = build.room
    tables = {name: room.table_path(name) for name in room.tables}
    judge(room.slug, tables, room.paper_setting, verdicts.current(room), room.verdict_path)
    verdict = verdict_file.read(room.verdict_path)
    assert verdict["claims"].keys() == {claim.id for claim in CLAIMS}
    assert lacking_ways(verdict["claims"], CLAIMS) == []
    assert {entry["verdict"] for entry in verdict["claims"].values()} == {"unclear"}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_with_labelled_axes_and_a_legend(name, build):
    figure = build.drawn(name)
    assert unlabelled(figure) == []
    assert all(axes.has_data() for axes in figure.axes)
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend() is not None]
    assert legends
    assert all(text.get_text() for legend in legends for text in legend.get_texts())

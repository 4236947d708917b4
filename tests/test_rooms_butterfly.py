"""The butterfly room, built tiny: what its tables say of networks that are known, its claims, its figures."""

import pytest
import torch
from room_builds import built, lacking_ways, samples_of, unlabelled
from torch.nn.functional import cross_entropy

from isthmus import rooms, verdict_file, verdicts
from isthmus.claims import Claim
from isthmus.engine import perturb
from isthmus.papers.butterfly.claims import CLAIMS
from isthmus.papers.butterfly.measure import couples, describe
from isthmus.verbs.judge import judge

SEEDS = 4
JUDGED = [claim for claim in CLAIMS if claim.out_of_reach is None]
FIGURES = tuple(rooms.load("butterfly", "smoke").figures)
ABOUT_COPY = ["run", "seed", "kind", "at", "sigma", "draw"]
DISTANCES = ["l2", "cosine", "barrier", "error_barrier", "train_loss", "disagreement", "margin", "cka", "cka_paper"]


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    # 200 updates: the least of which half a percent is a whole one.
    runs = {name: {"batch": 10, "time": "200it", "seeds": SEEDS} for name in rooms.load("butterfly", "smoke").runs}
    runs["batch"]["batch"] = 40
    with built(tmp_path_factory.mktemp("root"), "butterfly", {"runs": runs}, {"train": 80, "test": 40}) as made:
        yield made


def test_columns_and_rows_are_as_documented(build):
    tables = build.tables
    for name in ("pairs", "kernel", "settings"):
        assert [*tables[name]] == [*ABOUT_COPY, "changed", *DISTANCES, "test_accuracy", "ensemble_gain"]
    assert [*tables["aligned"]] == [
        "kind",
        "seed",
        "method",
        "unaligned",
        "aligned",
        "l2_unaligned",
        "l2_aligned",
        "moved",
    ]
    assert [*tables["growth"]] == [*ABOUT_COPY, "step", "l2", "barrier", "cka", "train_loss"]
    assert not tables["pairs"].duplicated(ABOUT_COPY).any()
    counts = {name: len(build.fleets[name].networks) - SEEDS for name in build.fleets}
    assert len(tables["pairs"]) == counts["main"]
    assert len(tables["kernel"]) == counts["kernel"]
    assert len(tables["settings"]) == 6 * 2 * SEEDS
    assert set(tables["settings"]["kind"]) == {"weight", "order"}
    assert len(tables["aligned"]) == 5 * (2 * SEEDS + SEEDS // 2)


def test_an_unperturbed_copy_is_at_distance_zero_in_every_sense(build):
    copies = build.tables["pairs"].query("kind == 'unperturbed'")
    assert len(copies) == SEEDS
    zero = ["changed", "l2", "barrier", "error_barrier", "disagreement", "margin", "ensemble_gain"]
    assert (copies[zero] == 0).all(axis=None)
    assert copies["cosine"].sub(1).abs().max() < 1e-6
    assert copies[["cka", "cka_paper"]].max(axis=None) < 1e-3


def test_every_other_copy_was_moved_and_parted(build):
    table = build.tables["pairs"].query("kind != 'unperturbed'")
    assert (table["l2"] > 0).all()
    slots = build.fleets["main"].architecture.layout.slots
    weights = sum(slot.stop - slot.start for name, slot in slots.items() if name.endswith("weight"))
    for kind, least, most in (("weight", 1, 1), ("gaussian", weights // 2, weights), ("order", 0, 0)):
        assert table[table["kind"] == kind]["changed"].between(least, most).all()


def test_a_row_is_what_its_two_networks_are(build):
    """L2, losses and accuracy of one kicked copy, computed from the rows by torch's own functions."""
    fleet, table = build.fleets["main"], build.tables["pairs"]
    copies, references = couples(fleet)
    place = len(copies) - 2
    row, a, b = table.iloc[place], fleet.final[references[place]], fleet.final[copies[place]]
    assert fleet.networks[copies[place]].seed == fleet.networks[references[place]].seed == row["seed"]
    assert row["l2"] == pytest.approx((a.double() - b.double()).norm().item(), rel=1e-5)
    x, y = fleet.data.inputs, fleet.data.labels
    logits = fleet.architecture.logits(torch.stack([a, b]), x["train"])
    losses = [cross_entropy(each, y["train"]).item() for each in logits]
    assert row["train_loss"] == pytest.approx(sum(losses) / 2, rel=1e-4)
    guesses = fleet.architecture.logits(torch.stack([a, b]), x["test"]).argmax(-1)
    assert row["disagreement"] == pytest.approx((guesses[0] != guesses[1]).double().mean().item())
    assert row["test_accuracy"] == pytest.approx((guesses == y["test"]).double().mean().item())


def test_the_kernel_regime_is_measured_as_it_was_trained(build):
    """Its train loss is that of alpha (f - f_0): the loss of the last batches, not that of the bare network."""
    fleet, table = build.fleets["kernel"], build.tables["kernel"]
    seen = fleet.loss[:, -8:].mean().item()
    assert table["train_loss"].mean() == pytest.approx(seen, rel=0.3)


def test_matching_weights_never_lengthens_the_distance(build):
    table = build.tables["aligned"]
    assert table["moved"].between(0, 1).all()
    matched = table[table["method"].isin(["identity", "restarts"])]
    assert (matched["l2_aligned"] <= matched["l2_unaligned"] * (1 + 1e-6)).all()
    still = table[table["moved"] == 0]
    assert (still["aligned"] == still["unaligned"]).all()
    seeds = table.query("kind == 'seeds' and method == 'restarts'")
    assert (seeds["l2_aligned"] < seeds["l2_unaligned"]).all()
    assert sorted(seeds["seed"]) == [0, 2]


def test_copies_part_from_the_step_of_their_kick_on(build):
    fleet, table = build.fleets["growth"], build.tables["growth"].query("run == 'growth'")
    assert sorted(set(table["step"])) == sorted(fleet.recipe.checkpoints)
    late = table.query("at == 0.1")
    assert (late.query("step < 20")["l2"] == 0).all()
    scale = perturb.scale(fleet.architecture)
    for kicked, step in ((table.query("at == 0.0"), 0), (late, 20)):
        distances = kicked[kicked["step"] == step]["l2"].tolist()
        assert distances == pytest.approx([1e-4 * scale] * SEEDS, rel=1e-3)
    final = table.query("step == 200")
    assert (final["l2"] > 2e-4 * scale).all()


def test_couples_are_a_copy_and_the_reference_of_its_seed(build):
    fleet = build.fleets["main"]
    copies, references = couples(fleet)
    assert len(copies) == len(fleet.networks) - SEEDS
    for copy, reference in zip(copies, references, strict=True):
        assert fleet.networks[copy].seed == fleet.networks[reference].seed
        assert describe(fleet.networks[reference], 200)["kind"] == "reference"
        assert describe(fleet.networks[copy], 200)["kind"] != "reference"


@pytest.mark.parametrize("claim", JUDGED, ids=[claim.id for claim in JUDGED])
def test_every_claim_and_control_finds_its_units(claim: Claim, build):
    for kind, measured in samples_of(claim, build.tables):
        assert kind.n(measured) in (SEEDS, SEEDS // 2)
    claimed = claim.kind.n(claim.measure(build.tables))
    assert claimed == SEEDS


def test_judging_gives_a_whole_verdict_file(build):
    room = build.room
    tables = {name: room.table_path(name) for name in room.tables}
    judge(room.slug, tables, room.paper_setting, verdicts.current(room), room.verdict_path)
    verdict = verdict_file.read(room.verdict_path)
    assert list(verdict["claims"]) == sorted(verdict["claims"])
    assert verdict["claims"].keys() == {claim.id for claim in CLAIMS}
    assert lacking_ways(verdict["claims"], CLAIMS) == []
    assert {entry["verdict"] for entry in verdict["claims"].values()} <= {"unclear", "out of reach"}
    assert verdict["paper"] == "butterfly@tiny"


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_with_labelled_axes_and_a_legend(name, build):
    figure = build.drawn(name)
    # The settings name themselves on that axis.
    assert unlabelled(figure) == (["0, x"] if name == "barrier_by_setting" else [])
    legend = figure.axes[-1].get_legend()
    assert legend is not None
    assert all(text.get_text() for text in legend.get_texts())
    assert all(axes.has_data() for axes in figure.axes)

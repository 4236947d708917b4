"""The optimal-transport room, built tiny: what its tables say of pairs that are known, its claims, its figures."""

import numpy as np
import pytest
import torch
from room_builds import built, lacking_ways, samples_of, unlabelled
from torch.nn.functional import cross_entropy

from isthmus import rooms, verdict_file, verdicts
from isthmus.claims import Claim
from isthmus.papers.ot_lmc.claims import CLAIMS
from isthmus.papers.ot_lmc.measure import pairs_by_rate
from isthmus.papers.ot_lmc.methods import METHODS
from isthmus.verbs.judge import judge

PAIRS, REPEATS = 3, 2
JUDGED = [claim for claim in CLAIMS if claim.out_of_reach is None]
FIGURES = tuple(rooms.load("ot_lmc", "smoke").figures)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    overlay = {"runs": {"main": {"batch": 10, "time": "40it", "seeds": 2 * PAIRS}}}
    with built(tmp_path_factory.mktemp("root"), "ot_lmc", overlay, {"train": 80, "test": 30}) as made:
        yield made


def test_columns_and_rows_are_as_documented(build):
    tables, settings = build.tables, build.room.tables["matching"].settings
    columns = ["endpoints", "midpoint", "barrier", "endpoint_error", "error_barrier", "dimension"]
    assert [*tables["matching"]] == ["lr", "pair", "method", "split", *columns]
    assert [*tables["dimension"]] == ["lr", "pair", "state", "method", "layer", "dimension"]
    assert [*tables["lines"]] == ["lr", "method", "alpha", "loss"]
    assert [*tables["rate"]] == ["k", "ambient", "noise", "n", "repeat", "cost"]
    assert [*tables["mean_field"]] == ["k", "width", "matched", "repeat", "gap"]
    assert len(tables["matching"]) == 6 * PAIRS * (len(settings["methods"]) + len(settings["train_methods"]))
    assert not tables["matching"].duplicated(["lr", "pair", "method", "split"]).any()
    assert set(tables["dimension"]["state"]) == {"trained", "untrained", "centred"}
    assert (tables["dimension"]["dimension"] >= 1 - 1e-9).all()


def test_pairs_are_disjoint_neighbours_at_one_rate(build):
    fleet = build.fleets["main"]
    for lr, pairs in pairs_by_rate(fleet):
        assert pairs.seeds == [0, 2, 4]
        rows = [row for row, network in enumerate(fleet.networks) if network.lr == lr]
        for k, seed in enumerate(pairs.seeds):
            mine = [row for row in rows if fleet.networks[row].seed in (seed, seed + 1)]
            assert torch.equal(torch.stack([pairs.a[k], pairs.b[k]]), fleet.final[mine])


def test_endpoints_do_not_depend_on_the_matching_and_barriers_are_never_negative(build):
    table = build.tables["matching"]
    for column in ("endpoints", "endpoint_error"):
        spread = table.groupby(["lr", "pair", "split"])[column].agg(np.ptp)
        assert spread.max() < 1e-5
    assert (table[["barrier", "error_barrier"]] >= 0).all(axis=None)
    excess = table["midpoint"] - table["endpoints"]
    assert (table["barrier"] >= excess - 1e-9).all()


def test_a_row_is_what_its_two_networks_are(build):
    fleet = build.fleets["main"]
    lr, pairs = list(pairs_by_rate(fleet))[-1]
    table = build.tables["matching"].query("pair == 2 and method == 'none' and split == 'test'")
    (row,) = table[table["lr"] == lr].to_dict("records")
    middle = (pairs.a[1] + pairs.b[1]) / 2
    x, y = fleet.data.inputs["test"], fleet.data.labels["test"]
    logits = fleet.architecture.logits(torch.stack([pairs.a[1], pairs.b[1], middle]), x)
    a, b, halfway = (cross_entropy(each, y).item() for each in logits)
    assert row["endpoints"] == pytest.approx((a + b) / 2, rel=1e-5)
    assert row["midpoint"] == pytest.approx(halfway, rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_every_matching_permutes_units_and_keeps_the_function(method, build):
    _, pairs = next(pairs_by_rate(build.fleets["main"]))
    one = pairs.first()
    perms = METHODS[method](one)
    assert perms.keys() == {"h0", "h1", "h2"}
    for perm in perms.values():
        assert perm.sort().values.tolist() == [list(range(16))]
    architecture = build.fleets["main"].architecture
    moved = architecture.logits(one.permuted(perms), pairs.x)
    torch.testing.assert_close(moved, architecture.logits(one.b, pairs.x), rtol=1e-4, atol=1e-5)
    assert torch.equal(perms["h0"], torch.arange(16)[None]) == (method == "none")


def test_a_line_starts_and_ends_at_the_same_networks_for_every_matching(build):
    lines = build.tables["lines"]
    assert lines["lr"].nunique() == 1
    assert lines["alpha"].nunique() == 5
    for alpha in (0.0, 1.0):
        losses = lines[(lines["alpha"] == alpha) & ~lines["method"].str.endswith("repaired")]["loss"]
        assert np.ptp(losses) < 1e-5
    repaired = lines.query("method == 'git_rebasin_repaired'")
    assert len(repaired) == 5


def test_costs_and_gaps_fall_with_size(build):
    rate = build.tables["rate"].groupby(["k", "ambient", "noise", "n"])["cost"].mean()
    for law in rate.index.droplevel("n").unique():
        costs = rate[law].to_numpy()
        assert costs[0] > costs[-1] > 0
    gaps = build.tables["mean_field"].query("matched").groupby(["k", "width"])["gap"].mean()
    assert (gaps.xs(16, level="width") < gaps.xs(8, level="width")).all()


@pytest.mark.parametrize("claim", JUDGED, ids=[claim.id for claim in JUDGED])
def test_every_claim_and_control_finds_its_units(claim: Claim, build):
    units = {"pair": PAIRS, "data draw": REPEATS}[claim.unit_of_n]
    for kind, measured in samples_of(claim, build.tables):
        assert kind.n(measured) == units


def test_judging_gives_a_whole_verdict_file(build):
    room = build.room
    tables = {name: room.table_path(name) for name in room.tables}
    judge(room.slug, tables, room.paper_setting, verdicts.current(room), room.verdict_path)
    verdict = verdict_file.read(room.verdict_path)
    assert verdict["claims"].keys() == {claim.id for claim in CLAIMS}
    assert lacking_ways(verdict["claims"], CLAIMS) == []
    assert {entry["verdict"] for entry in verdict["claims"].values()} <= {"unclear", "out of reach"}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_with_labelled_axes_and_a_legend(name, build):
    figure = build.drawn(name)
    assert unlabelled(figure) == []
    legend = figure.axes[-1].get_legend()
    assert legend is not None
    assert all(text.get_text() for text in legend.get_texts())
    assert all(axes.has_data() for axes in figure.axes)

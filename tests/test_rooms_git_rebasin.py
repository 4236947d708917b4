"""The Git Re-Basin room, built tiny: what its tables say of networks that are known, its claims, its figures."""

import numpy as np
import pytest
import torch
from room_builds import built, lacking_ways, samples_of, unlabelled
from torch.nn.functional import cross_entropy

from isthmus import rooms, verdict_file, verdicts
from isthmus.claims import Claim
from isthmus.papers.git_rebasin import counterexample, merging
from isthmus.papers.git_rebasin.claims import CLAIMS
from isthmus.papers.git_rebasin.methods import ORDERS, matched, misdirected
from isthmus.papers.git_rebasin.pairs import pairs_by_rate, sets_of
from isthmus.symmetry import table
from isthmus.symmetry.repair import repair
from isthmus.verbs.judge import judge

PAIRS, SETS = 3, 2
JUDGED = [claim for claim in CLAIMS if claim.out_of_reach is None]
FIGURES = tuple(rooms.load("git_rebasin", "smoke").figures)
KEYS = ["run", "width", "depth", "lr", "method", "repair", "split", "pair", "alpha"]
SETTINGS = {"restarts": 1, "straight_through": {"steps": 3, "batch": 20}}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    study = rooms.load("git_rebasin", "smoke")
    runs = {name: {"batch": 10, "time": "24it", "seeds": 2 * PAIRS} for name in study.runs}
    runs["deep_3"]["seeds"] = 5 * SETS
    tables = {
        name: {"settings": {"pairs": PAIRS}} for name, spec in study.tables.items() if "pairs" in spec.settings
    }
    with built(
        tmp_path_factory.mktemp("root"), "git_rebasin", {"runs": runs, "tables": tables}, {"train": 80, "test": 30}
    ) as made:
        yield made


def test_columns_and_rows_are_as_documented(build):
    tables = build.tables
    for name in ("wide", "widths", "matchers", "repaired"):
        assert [*tables[name]] == [*KEYS, "loss", "error", "barrier", "error_barrier"]
        assert not tables[name].duplicated(KEYS).any()
    points = 5
    assert len(tables["wide"]) == 3 * 2 * PAIRS * points
    assert len(tables["widths"]) == 5 * len(tables["wide"])
    assert len(tables["matchers"]) == 5 * PAIRS * points
    assert len(tables["repaired"]) == 3 * (5 + 4) * PAIRS * points
    assert [*tables["layers"]] == ["run", "width", "depth", "method", "repair", "layer", "pair", "ratio"]
    assert len(tables["layers"]) == (3 + 5 + 7) * 2 * 2 * PAIRS
    assert [*tables["onset"]] == ["step", "epoch", "pair", "method", "barrier", "endpoints"]
    assert sorted(tables["onset"]["epoch"].unique()) == [0, 1, 2, 3]
    assert [*tables["planted"]] == ["run", "network", "method", "difference", "misplaced", "sweeps"]
    assert [*tables["merging"]] == ["set", "arm", "split", "loss", "error", "calibration_error"]
    assert len(tables["merging"]) == SETS * 4 * 2
    assert [*tables["reliability"]] == ["set", "arm", "bin", "share", "confidence", "accuracy"]
    assert len(tables["reliability"]) == SETS * 4 * 15
    assert [*tables["counterexample"]] == ["pair", "order", "alpha", "accuracy", "gap"]
    assert tables["surface"]["corner"].value_counts().to_dict() == {"grid": 81, "A": 1, "B": 1, "matched": 1}


def test_pairs_and_sets_are_disjoint(build):
    fleet = build.fleets["deep_3"]
    _, pairs = next(pairs_by_rate(fleet, fleet.final, PAIRS))
    assert pairs.seeds == [0, 2, 4]
    assert torch.equal(torch.cat([pairs.a, pairs.b]), fleet.final[[0, 2, 4, 1, 3, 5]])
    seeds, sets = sets_of(fleet, 5)
    assert seeds == [0, 5]
    assert torch.equal(sets.flatten(0, 1), fleet.final)


def test_the_barrier_of_a_line_is_the_excess_over_its_ends(build):
    for name in ("widths", "repaired"):
        for column, height in (("loss", "barrier"), ("error", "error_barrier")):
            lines = build.tables[name].pivot_table(index=KEYS[:-1], columns="alpha", values=[column, height])
            values, alphas = lines[column].to_numpy(), lines[column].columns.to_numpy()
            straight = values[:, :1] * (1 - alphas) + values[:, -1:] * alphas
            found = (values - straight).max(axis=1)
            np.testing.assert_allclose(lines[height], found[:, None].repeat(len(alphas), 1), atol=1e-12)


def test_a_row_is_what_its_two_networks_are(build):
    fleet = build.fleets["deep_5"]
    _, pairs = next(pairs_by_rate(fleet, fleet.final, PAIRS))
    frame = build.tables["repaired"].query(
        "run == 'deep_5' and method == 'none' and repair == 'none' and pair == 2"
    )
    found = frame.set_index("alpha")["loss"]
    middle = (pairs.a[1] + pairs.b[1]) / 2
    x, y = fleet.data.inputs["test"], fleet.data.labels["test"]
    logits = fleet.architecture.logits(torch.stack([pairs.a[1], middle, pairs.b[1]]), x)
    assert [found[0.0], found[0.5], found[1.0]] == pytest.approx([cross_entropy(z, y).item() for z in logits], 1e-5)


def test_neither_order_nor_repair_changes_the_ends(build):
    ends = build.tables["repaired"]
    ends = ends[ends["alpha"].isin([0.0, 1.0])]
    assert ends.groupby(["run", "pair", "alpha"])["loss"].agg(np.ptp).max() < 1e-5


@pytest.mark.parametrize("method", ORDERS)
def test_every_order_keeps_the_function(method, build):
    fleet = build.fleets["deep_3"]
    _, pairs = next(pairs_by_rate(fleet, fleet.final, 1))
    moved = matched(pairs, method, SETTINGS)
    before, after = (fleet.architecture.logits(theta, pairs.x) for theta in (pairs.b, moved))
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
    assert torch.equal(moved, pairs.b) == (method == "none")


def test_misdirected_corrections_are_the_same_ones_at_other_units(build):
    """In their own order they are REPAIR; in another, a layer's gains are a permutation of REPAIR's."""
    fleet = build.fleets["deep_3"]
    _, pairs = next(pairs_by_rate(fleet, fleet.final, PAIRS))
    layout, axes = fleet.architecture.layout, fleet.architecture.axes
    plain, mended = (pairs.a + pairs.b) / 2, repair(fleet.architecture, pairs.a, pairs.b, 0.5, pairs.x)
    sizes = table.group_sizes(layout, axes)
    own = misdirected(layout, axes, plain, mended, table.identity(sizes, PAIRS))
    torch.testing.assert_close(own, mended, rtol=1e-5, atol=1e-5)
    order = table.random(sizes, pairs.seeds)
    wrong = layout.split(misdirected(layout, axes, plain, mended, order))
    gains = {}
    for name, parts in (("own", layout.split(mended)), ("wrong", wrong)):
        lengths = [p["layers.1.weight"].norm(dim=2) for p in (parts, layout.split(plain))]
        gains[name] = lengths[0] / lengths[1]
    torch.testing.assert_close(gains["wrong"], gains["own"].gather(1, order["h1"]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(wrong["layers.3.weight"], layout.split(plain)["layers.3.weight"])


def test_relabelled_copies_are_matched_back_and_have_no_barrier(build):
    planted = build.tables["planted"].set_index("method")
    assert (planted.loc["random", "difference"] > 0).all()
    wide = planted[planted["run"] == "wide"]
    assert (wide.loc["weights", ["difference", "misplaced"]] == 0).all(axis=None)
    assert (wide.loc["weights", "sweeps"] >= 1).all()
    onset = build.tables["onset"]
    assert (onset[onset["method"] == "copy"]["barrier"] == 0).all()


def test_variances_halfway_collapse_and_are_mended(build):
    layers = build.tables["layers"].groupby(["repair", "method", "depth", "layer"])["ratio"].mean()
    assert (layers["none"] < 1).all()
    first = layers["own"].xs(1, level="layer")
    np.testing.assert_allclose(first, 1, atol=0.05)


def test_merging_copies_gives_the_network_and_an_ensemble_is_never_worse_than_its_members(build):
    fleet = build.fleets["deep_3"]
    x, y = fleet.data.inputs["test"], fleet.data.labels["test"]
    _, sets = sets_of(fleet, 5)
    copies = sets[:, :1].repeat(1, 5, 1)
    found = merging.predictions(fleet.architecture, copies, x)
    for arm in ("merged", "averaged", "ensemble"):
        torch.testing.assert_close(found[arm][:, 0], found["members"][:, 0], rtol=1e-4, atol=1e-4)
    # Minus the logarithm is convex.
    losses = {arm: merging.loss(said, y) for arm, said in merging.predictions(fleet.architecture, sets, x).items()}
    assert (losses["ensemble"][:, 0] <= losses["members"].mean(1)).all()


def test_calibration_error_of_four_predictions():
    """Two at confidence 0.9, one of them right; two at 0.6, both right: 0.5 * 0.4 + 0.5 * 0.4."""
    said = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]]).double().log()
    y = torch.tensor([0, 1, 0, 0])
    share, confidence, accuracy = merging.bins(said, y, 5)
    assert share.tolist() == [0, 0, 0, 0.5, 0.5]
    assert confidence[3:].tolist() == pytest.approx([0.6, 0.9])
    assert accuracy[3:].tolist() == [1, 0.5]
    assert float(merging.calibration_error(said, y, 5)) == pytest.approx(0.4)


def test_the_counterexample_is_the_papers():
    """Reference check 8: f = -(max(0, x1) + max(0, -x2)), halfway the constant -1, accuracy 3/4 in every order."""
    x = counterexample.square(400)
    wanted = -(np.maximum(0, x[:, 0]) + np.maximum(0, -x[:, 1]))
    for weights in (counterexample.A, counterexample.B):
        np.testing.assert_allclose(counterexample.output(weights, x), wanted, atol=1e-15)
    middle = counterexample.between(counterexample.A, counterexample.B, 0.5)
    assert (counterexample.output(middle, x) == -1).all()
    halfway = [
        right for _, alpha, right in counterexample.lines(counterexample.A, counterexample.B, x, 3) if alpha == 0.5
    ]
    assert halfway == pytest.approx([0.75] * 4, abs=0.002)
    for first, second in counterexample.ORDERS:
        moved = counterexample.reordered(counterexample.B, first, second)
        np.testing.assert_array_equal(counterexample.output(moved, x), counterexample.output(counterexample.B, x))


@pytest.mark.parametrize("claim", JUDGED, ids=[claim.id for claim in JUDGED])
def test_every_claim_and_control_finds_its_units(claim: Claim, build):
    units = {"pair": PAIRS, "set of five": SETS, "network": 4 * PAIRS, "order of units": 4}[claim.unit_of_n]
    for kind, measured in samples_of(claim, build.tables):
        assert kind.n(measured) == units


def test_judging_gives_a_whole_verdict_file(build):
    room = build.room
    tables = {name: room.table_path(name) for name in room.tables}
    judge(room.slug, tables, room.paper_setting, verdicts.current(room), room.verdict_path)
    verdict = verdict_file.read(room.verdict_path)
    assert verdict["claims"].keys() == {claim.id for claim in CLAIMS}
    assert lacking_ways(verdict["claims"], CLAIMS) == []
    found = {id_: entry["verdict"] for id_, entry in verdict["claims"].items()}
    assert found.pop("C6") == "verified"
    assert verdict["claims"]["C6"]["control"]["verdict"] == "violated"
    assert found.pop("C4c") in ("verified", "violated")
    assert set(found.values()) <= {"unclear", "out of reach"}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_with_labelled_axes(name, build):
    figure = build.drawn(name)
    # A colour bar has one axis.
    assert unlabelled(figure) == (["1, x"] if name in ("accuracy_by_depth", "loss_surface") else [])
    assert all(axes.has_data() for axes in figure.axes)

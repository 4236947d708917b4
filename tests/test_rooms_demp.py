"""The room on DemP, built tiny: its tables are what its networks are, claims find their units, figures draw."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from room_builds import built, lacking_ways, samples_of, unlabelled
from training import Steps

from isthmus import rooms, verdict_file, verdicts
from isthmus.claims import Claim
from isthmus.engine import evaluate
from isthmus.papers.demp import arms, measure
from isthmus.papers.demp.claims import CLAIMS
from isthmus.papers.demp.claims_removal import ROUNDING
from isthmus.removal.dead import dead
from isthmus.verbs.judge import judge

SIZES = {"train": 400, "validation": 40, "test": 30}
WIDTH = 12
FIGURES = tuple(rooms.load("demp", "smoke").figures)
JUDGED = [claim for claim in CLAIMS if claim.out_of_reach is None]
REMOVING = ("demp", "constant", "shift", "both", "weights", "everywhere", "baselines")


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    # Few updates have to kill.
    hard = {"batch": 40, "lr": 0.05, "time": "60it"}
    runs = {name: {"batch": 40} for name in rooms.load("demp", "smoke").runs}
    runs |= {name: {"batch": 400} for name in ("gauss_live", "gauss_all")} | dict.fromkeys(REMOVING, hard)
    with built(tmp_path_factory.mktemp("root"), "demp", {"runs": runs}, SIZES) as made:
        yield made


def test_columns_and_rows_are_as_documented(build):
    about = ["seed", "order", "lr", "penalty", "noise"]
    size = ["neuron_sparsity", "weight_sparsity", "operations"]
    networks = ["run", "method", *about, "units", "collapsed", *size, "validation", "accuracy", "right"]
    for name in ("networks", "ablation", "optimizers"):
        assert [*build.tables[name]] == networks
    assert [*build.tables["deaths"]] == ["run", *about, "batch", "step", "dead"]
    assert [*build.tables["shrinking"]] == ["seed", "penalty", "step", "layer", "live", "width", "operations"]
    assert [*build.tables["lossless"]] == ["seed", "network", "dead", "live", "units"]
    assert set(build.tables["networks"]["right"].str.len()) == {SIZES["test"]}
    methods = build.tables["networks"].groupby("method").size()
    assert methods.to_dict() == {
        "dense": 2, "demp": 12, "less noise": 12, "constant": 10, "slimming": 10, "snap": 8, "cropit": 8,
        "early_cropit": 8, "random": 12,
    }  # fmt: skip


def test_tables_hold_no_gaps(build):
    for name, table in build.tables.items():
        assert not table.isna().any(axis=None), name


def test_units_are_gone_that_a_row_says_are_gone(build):
    """Counted from the scales of the normalisation: a removed unit's is exactly zero, no other is."""
    for run in ("demp", "baselines"):
        fleet = build.fleets[run]
        table = build.tables["networks"].query("run == @run")
        assert table["neuron_sparsity"].max() > 0.1
        scales = [fleet.architecture.layout.split(fleet.final)[f"norms.{level}.weight"] for level in (0, 1)]
        gone = (torch.cat(scales, dim=1) == 0).double().mean(1)
        np.testing.assert_allclose(table["neuron_sparsity"], gone)


def test_operations_are_counted_from_widths(build):
    """Of networks that lost units before the first update: 2 (64 a + a b + 10 b), over those of the whole one."""
    fleet, table = build.fleets["baselines"], build.tables["networks"].query("run == 'baselines'")
    a, b = (arms.live(fleet)[group].sum(1) for group in ("h0", "h1"))
    wanted = (64 * a + a * b + 10 * b) / (64 * WIDTH + WIDTH**2 + 10 * WIDTH)
    once = table["method"].isin(["snap", "cropit", "random", "dense"]).to_numpy()
    np.testing.assert_allclose(table["operations"][once], wanted[torch.from_numpy(once)])
    # EarlyCroP-S is whole at first.
    late = (table["method"] == "early_cropit").to_numpy()
    assert (table["operations"][late] > wanted[torch.from_numpy(late)].numpy()).all()


def test_accuracies_are_those_of_the_last_update(build):
    for part, column in (("validation", "validation"), ("test", "accuracy")):
        for run in ("demp", "constant", "baselines"):
            fleet = build.fleets[run]
            x, y = fleet.data.inputs[part], fleet.data.labels[part]
            _, errors = evaluate.evaluate(fleet.architecture, fleet.final, x, y)
            found = build.tables["networks"].query("run == @run")[column]
            np.testing.assert_allclose(found, 1 - errors.numpy())
    right = build.tables["networks"]["right"].str.count("x") / SIZES["test"]
    np.testing.assert_allclose(right, build.tables["networks"]["accuracy"])


def test_dead_units_of_the_table_are_those_of_the_networks(build):
    for run in ("adam_16", "gauss_live"):
        fleet = build.fleets[run]
        found = dead(fleet.architecture, fleet.final, fleet.data.inputs["train"])
        rows = build.tables["deaths"].query("run == @run")
        last = rows[rows["step"] == fleet.recipe.steps]["dead"]
        np.testing.assert_allclose(last, torch.cat([*found.values()], dim=1).double().mean(1))


def test_units_only_go(build):
    """All are there at first unless dead from the start, none comes back, and what is left is left at the end."""
    table = build.tables["shrinking"]
    for _, rows in table.groupby(["seed", "penalty", "layer"]):
        assert (rows["live"].diff().dropna() <= 0).all()
        assert (rows["operations"].diff().dropna() <= 0).all()
    last = table[table["step"] == table["step"].max()].groupby(["seed", "penalty"])[["live", "width"]].sum()
    sparsity = build.tables["networks"].query("method == 'demp' and order == 0").set_index(["seed", "penalty"])
    np.testing.assert_allclose(1 - last["live"] / last["width"], sparsity["neuron_sparsity"].sort_index())


def test_cutting_dead_units_out_loses_nothing_and_cutting_live_ones_does(build):
    """Networks to whose first layer, and the k-th to k of its units, a bias is given that lets them never fire."""
    fleet = build.fleets["adam_64"]
    theta = fleet.final.clone()
    biases = fleet.architecture.layout.split(theta)["layers.0.bias"]
    for row, bias in enumerate(biases):
        bias[: row % WIDTH] = -1e3
    table = measure.lossless({"adam_64": replace(fleet, thetas={fleet.recipe.steps: theta})}, {}, Steps())
    assert (table["units"] >= np.arange(len(theta)) % WIDTH).all()
    assert table["dead"].max() <= ROUNDING
    assert table["live"].min() > 100 * ROUNDING


@pytest.mark.parametrize("claim", JUDGED, ids=[claim.id for claim in JUDGED])
def test_every_claim_and_control_finds_its_units(claim: Claim, build):
    found = [kind.n(measured) for kind, measured in samples_of(claim, build.tables)]
    wanted = {"seed": 2, "network": 16}[claim.unit_of_n]
    # Of Adam against Adam, the control of C1d, half of the seeds are units.
    assert found == ([2, 1] if claim.id == "C1d" else [wanted] * len(found))


def test_judging_gives_a_whole_verdict_file(build):
    room = build.room
    tables = {name: room.table_path(name) for name in room.tables}
    judge(room.slug, tables, room.paper_setting, verdicts.current(room), room.verdict_path)
    claims = verdict_file.read(room.verdict_path)["claims"]
    assert claims.keys() == {claim.id for claim in CLAIMS}
    assert lacking_ways(claims, CLAIMS) == []
    words = {id_: entry["verdict"] for id_, entry in claims.items()}
    assert words.pop("C5b") == "verified"
    assert [words.pop(id_) for id_ in ("C3d", "C3e")] == ["out of reach"] * 2
    assert set(words.values()) == {"unclear"}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_with_labelled_axes(name, build):
    figure = build.drawn(name)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    # A map's colour bar says what it shows on one side; panels of one row share their first one's label.
    lacking = {"dead_by_rate_and_batch": 1, "dead_over_time": 2, "accuracy_vs_sparsity": 2}
    assert len(unlabelled(figure)) == lacking.get(name, 0)
    assert all(axes.has_data() for axes in shown)


def test_the_noise_of_demp_is_what_the_paper_has_at_most_ten_times():
    """Deviation times the root of the updates: the paper's code has 5e-5 and 97,656 of them."""
    paper = 5e-5 * 97_656**0.5
    runs = rooms.load("demp", "laptop").runs
    demp = runs["demp"].recipe
    times = sorted({network.noise * demp.steps**0.5 / paper for network in demp.networks})
    np.testing.assert_allclose(times, [0, 1, 3.16, 10], rtol=0.01)
    assert times[-1] <= 10
    for name in ("constant", "shift", "both", "weights", "everywhere"):
        assert max(network.noise for network in runs[name].recipe.networks) == max(n.noise for n in demp.networks)


def test_every_run_has_a_validation_part_and_methods_share_their_seeds():
    room = rooms.load("demp", "laptop")
    assert {run.recipe.data for run in room.runs.values()} == {"digits/selection-1000/unit"}
    seeds = {name: {n.seed for n in run.recipe.networks} for name, run in room.runs.items()}
    assert all(
        seeds[name] == set(range(1000, 1010)) for name in (*REMOVING, "minibatch", "gauss_live", "gauss_all")
    )
    assert all(
        seeds[name] == set(range(1000, 1012)) for name in ("adam_16", "adam_64", "adam_256", "sgd", "momentum")
    )

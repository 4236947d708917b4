"""The room on example difficulty, built tiny: what its tables say of runs that are known, its claims, its
figures."""

import numpy as np
import pytest
import scipy.stats
import torch
from room_builds import built, lacking_ways, samples_of, unlabelled

from isthmus import rooms, verdict_file, verdicts
from isthmus.claims import Claim
from isthmus.difficulty.ranks import ranks
from isthmus.engine.batches import held_out
from isthmus.papers.example_difficulty import pairs
from isthmus.papers.example_difficulty.claims import CLAIMS
from isthmus.papers.example_difficulty.effects import FAMILIES, OTHERS
from isthmus.papers.example_difficulty.measure import COMPARED, SHOWN
from isthmus.papers.example_difficulty.scores import EARLY, from_logits, of_held_out, recorded
from isthmus.verbs.judge import judge

EXAMPLES, COUNT, EARLY_STEP = 80, 8, 16
FIGURES = tuple(rooms.load("example_difficulty", "smoke").figures)
# Of the tiny build's 24 runs of the reference, and 8 of each other architecture.
UNITS = {"pair of runs": 12, "block of eight runs": 3, "block of runs": 4, "run of each": COUNT, "run": 2 * COUNT}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    names = rooms.load("example_difficulty", "smoke").runs
    early = {"settings": {"early": EARLY_STEP}}
    tables = dict.fromkeys(("curves", "consistency", "covariance", "sensitivity", "bias", "fingerprint"), early)
    overlay = {"runs": {name: {"batch": 10} for name in names}, "tables": tables}
    sizes = {"train": EXAMPLES, "test": 30}
    with built(tmp_path_factory.mktemp("root"), "example_difficulty", overlay, sizes) as made:
        yield made


def test_columns_and_rows_are_as_documented(build):
    tables = build.tables
    assert [*tables["accuracies"]] == ["run", "seed", "split", "loss", "accuracy"]
    assert [*tables["curves"]] == ["run", "score", "rank", "value", "low", "high"]
    assert [*tables["consistency"]] == ["run", "score", "runs", "pair", "spearman", "overlap"]
    assert [*tables["covariance"]] == ["block", "a", "b", "single", "averaged", "together", "permuted"]
    assert [*tables["sensitivity"]] == ["other", "example", "label", "t", "p"]
    columns = ["within", "between", "hits", "hits_without", "most", "least"]
    assert [*tables["bias"]] == ["score", "other", "run", *columns]
    assert [*tables["fingerprint"]] == ["score", "other", "selection", "k", "run", "accuracy"]
    assert len(tables["sensitivity"]) == 6 * EXAMPLES
    assert len(tables["bias"]) == len(COMPARED) * 6 * COUNT
    assert len(tables["fingerprint"]) == len(COMPARED) * 6 * len(pairs.SELECTIONS) * 4 * 2 * COUNT
    assert set(tables["sensitivity"]["other"]) == {*OTHERS, "same"}
    sizes = tables["consistency"].query("run == 'reference' and score == 'mean_loss'").groupby("runs").size()
    assert sizes.to_dict() == {1: 12, 2: 6, 4: 3}


def test_runs_of_different_architectures_share_no_seed(build):
    seeds = [network.seed for fleet in build.fleets.values() for network in fleet.networks]
    assert len(set(seeds)) == len(seeds)
    laptop = rooms.load("example_difficulty", "laptop").runs.values()
    seeds = [network.seed for run in laptop for network in run.recipe.networks]
    assert len(set(seeds)) == len(seeds)


def test_what_was_recorded_is_what_the_networks_say(build):
    fleet = build.fleets["narrow"]
    x = fleet.data.inputs["train"]
    for step in recorded(fleet)[-1:]:
        torch.testing.assert_close(fleet.probe("logits", step), fleet.architecture.logits(fleet.thetas[step], x))


def test_a_row_of_consistency_is_what_its_runs_are(build):
    """Pair 1 of groups of two: runs 4 and 5 against 6 and 7, losses by torch, ranks and correlation by scipy."""
    fleet, y = build.fleets["reference"], build.fleets["reference"].data.labels["train"]
    losses = []
    for run in range(4, 8):
        logits = torch.stack([fleet.probe("logits", step)[run].double() for step in recorded(fleet)])
        each = [torch.nn.functional.cross_entropy(of_step, y, reduction="none") for of_step in logits]
        losses.append(scipy.stats.rankdata(torch.stack(each).mean(0)))
    first, second = (sum(losses[:2]), sum(losses[2:]))
    where = "run == 'reference' and score == 'mean_loss' and runs == 2 and pair == 1"
    row = build.tables["consistency"].query(where)
    assert row["spearman"].item() == pytest.approx(scipy.stats.spearmanr(first, second).statistic)


def test_early_scores_are_of_that_moment(build):
    fleet = build.fleets["tanh"]
    found = from_logits(fleet, [EARLY], EARLY_STEP, recorded(fleet), 1)[EARLY][0]
    p = fleet.probe("logits", EARLY_STEP)[0].double().softmax(-1)
    wanted = (p - torch.nn.functional.one_hot(fleet.data.labels["train"], 10)).norm(dim=1)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-6)


def test_votes_on_an_example_are_of_the_networks_that_never_saw_it(build):
    fleet = build.fleets["without"]
    found, y = of_held_out(fleet, slice(None)), fleet.data.labels["train"]
    right = fleet.probe("logits", fleet.recipe.steps).argmax(-1) == y
    for example in range(EXAMPLES):
        out = [held_out(n.seed, EXAMPLES, 0.3)[example] for n in fleet.networks]
        votes = right[:, example][torch.tensor(out)].double()
        wanted = -votes.mean().item() if len(votes) else float("nan")
        assert found["c_score"][example] == pytest.approx(wanted, nan_ok=True)


def test_correlations_of_scores_are_those_of_a_matrix(build):
    for _, block in build.tables["covariance"].groupby("block"):
        for column in ("single", "averaged", "together", "permuted"):
            square = block.set_index(["a", "b"])[column].unstack()
            np.testing.assert_allclose(square, square.T, atol=1e-12)
            known = square.to_numpy()[~square.isna().to_numpy()]
            assert np.abs(known).max() <= 1 + 1e-12
        assert block[block["a"] == block["b"]]["together"].to_numpy() == pytest.approx(1)
        # Of 80 examples: three standard errors of a correlation that is not there.
        permuted = block.query("a in @FAMILIES and b in @FAMILIES and a != b")["permuted"]
        assert permuted.abs().median() < 3 / np.sqrt(EXAMPLES)
        assert block.query("a == 'agreement'")["single"].isna().all()
    assert set(FAMILIES) <= set(build.tables["covariance"]["a"])


def test_functions_of_one_probability_go_together(build):
    together = build.tables["covariance"].groupby(["a", "b"])["together"].mean()
    assert together["mean_margin", "mean_confidence"] > 0.95
    assert together["mean_confidence", "mean_confidence"] > together["mean_confidence", "cluster"]


def test_curves_rise_to_the_harder_and_bands_hold_them(build):
    table = build.tables["curves"]
    assert set(table["score"]) == set(SHOWN)
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).mean() > 0.9
    for _, rows in table[table["run"] == "reference"].groupby("score"):
        assert rows["rank"].corr(rows["value"], method="spearman") > 0.9


def planted(moved, runs=16, examples=300, seed=0):
    """Ranks, as shares, of runs of two architectures: the second shifts the first thirty examples by so much."""
    rng = np.random.default_rng(seed)
    a, b, more = np.linspace(0, 1, examples) + 0.05 * rng.standard_normal((3, runs, examples))
    b[:, :30] += moved
    return tuple(ranks(each) / examples for each in (a, b, more))


def test_a_planted_change_of_rank_is_seen_run_by_run():
    found = pairs.by_unit(*planted(0.3), 0.1)
    assert found["hits"][0] >= 30 / 300
    assert (found["within"] > found["between"]).all()
    assert found["most"].mean() > 0.15
    assert abs(found["least"].mean()) < 0.02
    # The runs that examples are selected by are not those they are judged on: without a change there is none.
    null = pairs.by_unit(*planted(0.0), 0.1)
    assert null["hits"].max() <= 1 / 300
    assert abs(null["most"].mean()) < 0.02


def test_leaving_a_run_out_is_the_test_without_it():
    a, b, more = planted(0.1)
    found = pairs.by_unit(a, b, more, 0.1)
    p = scipy.stats.ttest_ind(a[1:], b[1:], equal_var=False).pvalue
    assert found["hits_without"][0] == pytest.approx((p < 0.05 / 300).mean())


def test_a_planted_fingerprint_is_told_and_none_is_not():
    rng = np.random.default_rng(0)
    found = pairs.told(*planted(0.3)[:2], [1, 4], 10, rng)
    assert set(found) == set(pairs.SELECTIONS)
    assert all(table.shape == (32, 2) for table in found.values())
    assert found["sensitive"][:, 1].mean() > 0.95
    assert found["sensitive"].mean() > found["random"].mean() + 0.2
    for name in ("insensitive", "shuffled", "shuffled_random"):
        assert found[name].mean() < 0.7
    null = [pairs.told(*planted(0.0, seed=seed)[:2], [2], 10, rng)["sensitive"].mean() for seed in range(20)]
    assert np.mean(null) == pytest.approx(0.5, abs=3.3 * np.std(null, ddof=1) / np.sqrt(20))


def test_every_run_is_told_once_a_split_by_runs_of_the_other_half():
    labels, rng = np.arange(12) < 6, np.random.default_rng(0)
    (train, test), (again, rest) = pairs._halves(labels, rng)
    assert (train ^ test).all()
    assert np.array_equal(train, rest)
    assert np.array_equal(test, again)
    assert (train[labels].sum(), train[~labels].sum()) == (3, 3)


@pytest.mark.parametrize("claim", CLAIMS, ids=[claim.id for claim in CLAIMS])
def test_every_claim_and_control_finds_its_units(claim: Claim, build):
    found = {kind.n(measured) for kind, measured in samples_of(claim, build.tables)}
    wanted = UNITS[claim.unit_of_n]
    # Controls of C1 have fewer: the convex model's runs, half of the reference's.
    assert max(found) == claim.kind.n(claim.measure(build.tables)) == wanted


def test_judging_gives_a_whole_verdict_file(build):
    room = build.room
    tables = {name: room.table_path(name) for name in room.tables}
    judge(room.slug, tables, room.paper_setting, verdicts.current(room), room.verdict_path)
    verdict = verdict_file.read(room.verdict_path)
    assert verdict["claims"].keys() == {claim.id for claim in CLAIMS}
    assert lacking_ways(verdict["claims"], CLAIMS) == []
    blocks = {id_: entry["verdict"] for id_, entry in verdict["claims"].items() if id_[:2] in ("C2", "C3")}
    assert set(blocks.values()) == {"unclear"}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_with_labelled_axes(name, build):
    figure = build.drawn(name)
    if name in ("manhattan", "fingerprint_vs_size"):
        assert {axes.get_title().split(":")[0] for axes in figure.axes} > {"narrow", "deep", "tanh"}
        assert all(axes.get_xlabel() for axes in figure.axes[3:])
        assert all(axes.get_ylabel() for axes in figure.axes[::3])
    elif name == "covariance":
        assert unlabelled(figure) == ["1, y", "2, y", "3, y"]
    else:
        assert unlabelled(figure) == []
    assert all(axes.has_data() for axes in figure.axes)
    if name not in ("manhattan", "covariance"):
        legends = [legend for axes in figure.axes if (legend := axes.get_legend())]
        assert legends
        assert all(text.get_text() for legend in legends for text in legend.get_texts())


def test_tables_are_numbers_and_names(build):
    for name, table in build.tables.items():
        empty = {column for column in table if table[column].isna().any()}
        allowed = {"covariance": {"single", "averaged", "together", "permuted"}, "consistency": {"spearman"}}
        assert empty <= allowed.get(name, set()), name
        assert not np.isinf(table.select_dtypes(float)).any(axis=None)

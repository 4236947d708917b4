"""The matching benchmark: its methods do the same work, and its tables say what was measured and what was not."""

import sys

import pandas as pd
import pytest
import torch

from isthmus.bench import matching
from isthmus.bench.matching_cases import Pairs, mlp, resnet
from isthmus.bench.matching_methods import engine, objective, plain, rebasin
from isthmus.symmetry.matching import weight_matching

CASES = {"mlp": mlp(6), "resnet": resnet(4, depth=8)}


def begun(name, count=2):
    return Pairs.begin(CASES[name], count)


@pytest.mark.parametrize("name", CASES)
def test_all_methods_permute_and_go_up(name):
    pairs = begun(name)
    x = torch.randn((4, *pairs.case.shape), generator=torch.Generator().manual_seed(0))
    before = matching.logits(pairs, pairs.b, x)
    for outcome in (engine(pairs, restarts=0), engine(pairs, restarts=2), plain(pairs)):
        torch.testing.assert_close(matching.logits(pairs, outcome.permuted, x), before, atol=1e-4, rtol=1e-4)
        assert objective(pairs, outcome.permuted) > objective(pairs, pairs.b)
        assert outcome.seconds > 0
        assert 1 <= outcome.sweeps <= 100


def test_the_objective_is_the_engine_s_own():
    pairs = begun("resnet", 1)
    layout, axes = pairs.architecture.layout, pairs.architecture.axes
    found = weight_matching(layout, axes, pairs.a, pairs.b, restarts=1)
    assert objective(pairs, engine(pairs, restarts=1).permuted) == pytest.approx(found.objective.item())


def test_planted_permutations_are_counted_as_found_by_more_and_more_starts():
    rows = pd.DataFrame(matching.recovered(begun("resnet"), 4))
    assert list(rows.starts) == [1, 2, 3, 4]
    assert rows.found.is_monotonic_increasing
    assert rows.objective_of_largest.is_monotonic_increasing
    assert (rows.objective_of_largest <= 1 + 1e-9).all()


def test_trained_pairs_have_learned():
    begun = Pairs.begin(mlp(32), 1)
    pairs = begun.trained(60)
    assert pairs.weights == "trained"
    assert pairs.accuracy > 0.4
    assert not torch.equal(pairs.a, begun.a)


def test_an_interpreter_without_the_package_is_told_apart():
    with pytest.raises(RuntimeError, match="rebasin"):
        rebasin(begun("mlp"), sys.executable)


def test_the_tables_say_what_was_left_out(tmp_path, capsys):
    small = {
        "pairs": 1,
        "repetitions": 1,
        "restarts": 1,
        "starts": 2,
        "mlp": 6,
        "depth": 8,
        "resnet": 4,
        "steps": 2,
    }
    matching.main([*(f"--{name}={value}" for name, value in small.items()), f"--out={tmp_path}"])
    text = (tmp_path / "matching.md").read_text()
    assert text in capsys.readouterr().out
    assert "`rebasin` is left out" in text
    frame = pd.read_csv(tmp_path / "matching.csv")
    assert set(frame.weights) == {"untrained", "trained"}
    assert (frame.n == 1).all()
    assert (frame.seconds_per_pair > 0).all()
    assert frame.function_changed.max() < 1e-3
    assert sum(method.startswith("isthmus, 2 starts") for method in frame.method.unique()) == 2
    assert set(pd.read_csv(tmp_path / "matching_planted.csv").starts) == {1, 2}


def test_a_method_that_fails_is_told_in_its_row():
    def fails(pairs):
        raise RuntimeError("no such module")

    rows = pd.DataFrame(matching.compare(begun("mlp", 1), {"plain": plain, "other": fails}, 2))
    about = {"processor": "", "cores": 1, "torch": "", "command": "", "load_before": 0.0}
    lines = list(matching.report(rows, pd.DataFrame(), None, about))
    assert any("| other | not measured: no such module |" in line for line in lines)
    assert list(rows.n) == [2, 0]

"""The door from Python: anybody's logits scored, what is refused, and the README's example."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from isthmus.difficulty.trajectory import SCORES
from isthmus.score import Scored

README = Path(__file__).parents[1] / "README.md"
RUNS, TIMES, EXAMPLES, CLASSES = 3, 6, 40, 4


def labels():
    return np.arange(EXAMPLES) % CLASSES


def logits(noise=0.5):
    """Examples of rising difficulty: what speaks for the label falls with their number, and grows with time."""
    rng = np.random.default_rng(0)
    ease = np.linspace(4, -1, EXAMPLES)
    right = np.eye(CLASSES)[labels()] * ease[:, None]
    times = np.linspace(0.2, 1, TIMES)[:, None, None]
    return times * right + noise * rng.standard_normal((RUNS, TIMES, EXAMPLES, CLASSES))


def test_every_score_points_the_same_way_and_finds_what_is_hard():
    table = Scored(logits(), labels()).table
    assert [*table] == [*SCORES]
    assert len(table) == EXAMPLES
    for name in ("mean_loss", "mean_confidence", "mean_margin", "aum", "mean_el2n", "mean_accuracy", "learned"):
        assert table[name].corr(table.index.to_series(), method="spearman") > 0.7, name


def test_tensors_are_arrays_and_one_run_needs_no_axis():
    one = Scored(torch.from_numpy(logits()[0]), torch.from_numpy(labels()))
    assert one.table.equals(Scored(logits()[:1], labels()).table)
    with pytest.raises(ValueError, match="wanted two runs or more, found 1"):
        _ = one.consistency


def test_noise_lowers_consistency_and_asks_for_more_runs():
    quiet, loud = (Scored(logits(noise), labels()).consistency for noise in (0.1, 2.0))
    assert (quiet["spearman"] > loud["spearman"])[["mean_loss", "aum", "mean_el2n"]].all()
    assert (quiet["runs_for_0.95"] <= loud["runs_for_0.95"])[["mean_loss", "aum", "mean_el2n"]].all()
    copies = Scored(np.repeat(logits()[:1], 2, axis=0), labels()).consistency
    assert copies["spearman"].drop("final_accuracy").min() == pytest.approx(1)


def test_one_checkpoint_has_no_variance_over_checkpoints():
    assert "loss_variance" not in Scored(logits()[:, -1:], labels()).table


BAD = {
    "no examples axis": (logits()[0, 0], labels(), r"found \(40, 4\)"),
    "too few labels": (logits(), labels()[:-1], r"each of 40 examples, found int64 of shape \(39,\)"),
    "labels of floats": (logits(), labels().astype(float), "found float64"),
    "a class too many": (logits(), labels() + 1, "from 0 to 3, found 1 to 4"),
    "not finite": (np.where(logits() > 3, np.inf, logits()), labels(), "wanted finite logits"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused(name):
    given, of, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        Scored(given, of)


def test_the_readmes_example(capsys):
    """The python block under the README's heading runs as it stands on logits and labels."""
    section = README.read_text(encoding="utf-8").split("Score your own examples", 1)[1]
    example = re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1)
    exec(example, {"logits": logits(), "labels": labels()})
    printed = capsys.readouterr().out
    assert "39" in printed
    assert "runs_for_0.95" in printed

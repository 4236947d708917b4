"""The claims of the Git Re-Basin room on planted tables: an effect that is there passes, one that is not fails."""

import numpy as np
import pandas as pd
import pytest
from claim_cases import spread
from training import Steps

from isthmus.claims import Claim
from isthmus.judging import PASSED, judged
from isthmus.papers.git_rebasin import effects, measure
from isthmus.papers.git_rebasin.claims import CLAIMS

N = 12
JUDGED = [claim for claim in CLAIMS if claim.out_of_reach is None]
DEPTHS, WIDTHS = (3, 5, 7), (16, 32, 64, 128, 256)


class Noise:
    """Numbers for N units around a middle, whose 95 % interval is the middle ± half, each time in another order."""

    def __init__(self, half: float) -> None:
        self.half, self.rng = half, np.random.default_rng(0)

    def around(self, middle: float) -> np.ndarray:
        return middle + self.half * self.rng.permutation(spread(N))


def frame(noise: Noise, key: str, cells: list[tuple[dict, dict]]) -> pd.DataFrame:
    """A table: for each cell N rows, with its labels, a unit each, and a column around each of its middles."""
    units = np.arange(1000, 1000 + 2 * N, 2)
    parts = [
        pd.DataFrame({**about, key: units, **{name: noise.around(m) for name, m in middles.items()}})
        for about, middles in cells
    ]
    return pd.concat(parts, ignore_index=True)


def line(method: str, barrier: float, **about: object) -> tuple[dict, dict]:
    """The row halfway along a line; errors are half as high as losses."""
    where = {"method": method, "repair": "none", "split": "test", "alpha": 0.5} | about
    return where, {"barrier": barrier, "error_barrier": barrier / 2, "error": barrier / 2}


def planted(real: bool, half: float = 0.01) -> dict[str, pd.DataFrame]:
    """The room's tables as they are if its claims are true, or if matching, training and REPAIR do nothing."""
    noise = Noise(half)
    matched = 0.02 if real else 1.0
    plain = {"none": 1.0, "random": 1.0, "weights": matched}
    by_width = dict(zip(WIDTHS, (0.8, 0.6, 0.4, 0.2, 0.1) if real else (1.0,) * 5, strict=True))
    matchers = {"none": 1.0, "random": 1.0, "weights": 0.3} | dict.fromkeys(
        ("uncentred", "straight_through"), 0.3 if real else 1.0
    )
    training = {
        "weights": (0.5, 0.8, 0.1) if real else (0.0, 0.0, 0.1),
        "random": (0.5, 0.8, 1.2),
        "copy": (0, 0, 0),
    }
    repaired = {"none": 1.0, "own": 0.1 if real else 0.95, "others": 0.95}
    alone = {"none": 0.9, "random": 0.9}
    ratio = {"none": (lambda layer: 0.9 - 0.1 * layer) if real else (lambda layer: 1.0), "own": lambda layer: 1.0}
    merged = {"members": 0.3, "merged": 0.2 if real else 0.4, "averaged": 0.5}
    found = {"weights": 0.0 if real else 1.0, "random": 1.0}
    cells = {
        "wide": [line(m, b, split=split) for m, b in plain.items() for split in ("train", "test")],
        "widths": [
            line(m, b, width=w) for w, left in by_width.items() for m, b in (plain | {"weights": left}).items()
        ],
        "matchers": [line(m, b) for m, b in matchers.items()],
        "repaired": [line("pearson", b, depth=d, repair=kind) for d in DEPTHS for kind, b in repaired.items()]
        + [line(m, b, depth=d, repair="own") for d in DEPTHS for m, b in alone.items()],
        "layers": [
            ({"method": "pearson", "repair": kind, "depth": d, "layer": layer}, {"ratio": of(layer)})
            for d in DEPTHS
            for kind, of in ratio.items()
            for layer in range(1, d + 1)
        ],
        "onset": [
            ({"method": m, "step": step}, {"barrier": b})
            for m, barriers in training.items()
            for step, b in zip((0, 115, 1380), barriers, strict=True)
        ],
        "merging": [({"arm": arm, "split": "test"}, {"loss": loss}) for arm, loss in merged.items()],
    }
    tables = {name: frame(noise, "set" if name == "merging" else "pair", rows) for name, rows in cells.items()}
    runs = ("wide", "deep_3", "deep_5", "deep_7")
    exact = [({"run": run, "method": m}, {"difference": 0.0, "sweeps": 0.0}) for run in runs for m in found]
    tables["planted"] = frame(Noise(0.0), "network", exact).assign(
        difference=lambda rows: rows["method"].map(found), sweeps=3.0
    )
    pair = "counterexample" if real else "copy"
    exact_lines = measure.counterexample({}, {"grid": 400, "points": 3}, Steps())
    other = exact_lines[exact_lines["pair"] == pair].assign(pair="counterexample")
    tables["counterexample"] = pd.concat([other, exact_lines[exact_lines["pair"] == "copy"]])
    return tables


@pytest.fixture(scope="module")
def tables() -> dict[bool, dict[str, pd.DataFrame]]:
    return {real: planted(real) for real in (True, False)}


@pytest.mark.parametrize("claim", JUDGED, ids=[claim.id for claim in JUDGED])
def test_a_planted_effect_passes_and_a_planted_null_does_not(claim: Claim, tables):
    real, null = (judged(claim, tables[is_real], False) for is_real in (True, False))
    assert real["verdict"] in PASSED, real
    assert null["verdict"] not in PASSED, null
    assert real["n"] == claim.n


def test_shares_of_no_barrier_at_all_are_nothing_removed_and_everything_left(tables):
    nothing = {
        name: table.assign(**dict.fromkeys({"barrier", "error_barrier"} & {*table}, 0.0))
        for name, table in tables[True].items()
    }
    for sample in effects.removed_by_matching(nothing, "weights").values():
        assert sample.estimate == 0
    for sample in effects.removed_by_repair(nothing, "barrier", "own").values():
        assert sample.estimate == 0
    assert (effects.share_left_by_width(nothing, "weights").rows == 1).all()


def test_a_claim_whose_table_is_missing_at_a_scale_is_not_run(tables):
    claims = {claim.id: claim for claim in CLAIMS}
    without = {name: table for name, table in tables[True].items() if name != "widths"}
    assert judged(claims["C2a"], without, True)["verdict"] == "not run"
    assert judged(claims["C1a"], without, True)["verdict"] == "reproduced"

"""What each claim judges, made of the tables of the room: a barrier, a dimension or a slope, for each pair."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from isthmus.claims import RATIO, Sample, Tables

# Nats: rounding of a barrier in float32; keeps a logarithm finite.
FLOOR = 1e-6


def barriers(tables: Tables, method: str, lr: float) -> pd.Series:
    """Test barrier of each pair, in nats, under one matching at one peak rate."""
    frame = tables["matching"]
    chosen = (frame["method"] == method) & (frame["split"] == "test") & (frame["lr"] == lr)
    return frame[chosen].set_index("pair")["barrier"]


def rates(tables: Tables) -> list[float]:
    """Peak rates, rising."""
    return sorted(tables["matching"]["lr"].unique())


def below_top(tables: Tables, at: Callable[[float], Sample]) -> dict[str, Sample]:
    """The sample at each rate but the highest, by the rate's rank."""
    return {f"rate {rank}": at(lr) for rank, lr in enumerate(rates(tables)[:-1], start=1)}


def lower_barrier(tables: Tables, worse: str, better: str) -> dict[str, Sample]:
    """Barrier under `worse` minus barrier under `better`, pair by pair, at each rate but the highest."""
    return below_top(tables, lambda lr: Sample.of(barriers(tables, worse, lr) - barriers(tables, better, lr)))


def flip(tables: Tables, rank: int) -> Sample:
    """Barrier under covariance-informed matching minus that under naive matching."""
    lr = rates(tables)[rank]
    return Sample.of(barriers(tables, "informed", lr) - barriers(tables, "naive", lr))


def gap_closed(tables: Tables, method: str) -> dict[str, Sample]:
    """Share of the way from naive to activation matching that a method covers: a ratio of means over pairs."""

    def share(lr: float) -> Sample:
        naive = barriers(tables, "naive", lr)
        parts = {
            "covered": naive - barriers(tables, method, lr),
            "whole": naive - barriers(tables, "activation", lr),
        }
        return Sample.of(pd.DataFrame(parts), RATIO)

    return below_top(tables, share)


def dimension_of(tables: Tables, method: str, state: str, lr: float, summary: str = "mean") -> pd.Series:
    """log10 of the approximate dimension of network A of each pair, summed up over layers."""
    frame = tables["dimension"]
    chosen = (frame["method"] == method) & (frame["state"] == state) & (frame["lr"] == lr)
    return np.log10(frame[chosen]["dimension"]).groupby(frame["pair"]).agg(summary)


def dimension_gap(tables: Tables, state: str) -> dict[str, Sample]:
    """log10 ratio of the naive dimension over the covariance-informed one, at every rate."""
    return {
        f"rate {rank}": Sample.of(
            dimension_of(tables, "naive", state, lr) - dimension_of(tables, "informed", state, lr)
        )
        for rank, lr in enumerate(rates(tables), start=1)
    }


def dimension_with_barrier(tables: Tables, state: str) -> Sample:
    """Rank correlation over pairs of naive dimension (worst layer) and naive barrier, within a rate.

    Per pair: the product of its standardised ranks, averaged over rates; the mean over pairs is then the mean of
    Spearman's correlations.
    """
    products = []
    for lr in rates(tables):
        dimension = dimension_of(tables, "naive", state, lr, "max").rank()
        barrier = barriers(tables, "naive", lr).rank()
        z = [(ranks - ranks.mean()) / ranks.std(ddof=0) for ranks in (dimension, barrier)]
        products.append(z[0] * z[1])
    return Sample.of(pd.concat(products, axis=1).mean(axis=1))


def fall_with_rate(tables: Tables, state: str) -> dict[str, Sample]:
    """Minus the slope, over log10 of the peak rate, of log10 of the naive dimension and of the naive barrier."""

    def fall(at: Callable[[float], pd.Series]) -> Sample:
        levels = pd.concat([at(lr) for lr in rates(tables)], axis=1)
        return Sample.of(pd.Series(-slope_of(np.log10(rates(tables)), levels.to_numpy()), index=levels.index))

    falls = {"dimension": fall(lambda lr: dimension_of(tables, "naive", state, lr))}
    if state == "trained":
        falls["barrier"] = fall(lambda lr: np.log10(barriers(tables, "naive", lr) + FLOOR))
    return falls


SIZES = (64, 91, 128, 181, 256, 362, 512)


def costs(tables: Tables, k: int, ambient: int, noise: float) -> pd.DataFrame:
    """Matching costs, repeats by sample sizes, of one law."""
    frame = tables["rate"]
    chosen = (frame["k"] == k) & (frame["ambient"] == ambient) & (frame["noise"] == noise)
    return frame[chosen].pivot_table(index="repeat", columns="n", values="cost")


def costs_by_dimension(tables: Tables) -> dict[str, Sample]:
    return {f"k = {k}": Sample.of(costs(tables, k, k, 0.0)) for k in (4, 8, 16)}


def costs_in_64(tables: Tables) -> dict[str, Sample]:
    """Every dimension replaced by 64."""
    return {f"k = {k}": Sample.of(costs(tables, 64, 64, 0.0)) for k in (4, 8, 16)}


def costs_of_law(tables: Tables, k: int, noise: float) -> Sample:
    return Sample.of(costs(tables, k, 64, noise))


def slope_of(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least-squares slope of y (..., len(x)) on x."""
    centred = x - x.mean()
    return y @ (centred / (centred @ centred))


def surface_term(k: int) -> float:
    """How far a fitted exponent can be from -2 / k over SIZES: a share n^(-1/k) of n points lies at the surface of
    their cloud, so the first correction to n^(-2/k) is a factor 1 + c n^(-1/k), and c = 1 is taken for its size."""
    n = np.array(SIZES, dtype=float)
    return float(-slope_of(np.log(n), np.log1p(n ** (-1 / k))))


def flatter_than_low_dimensional(tables: Tables, noise: float) -> Sample:
    """Exponent of the matching cost of two-dimensional samples in 64 dimensions, plus 1 (-1 without noise)."""
    frame = costs(tables, 2, 64, noise)
    slopes = slope_of(np.log(np.array(frame.columns, dtype=float)), np.log(frame.to_numpy()))
    return Sample.of(pd.Series(slopes + 1, index=frame.index))


def gap_fall(tables: Tables, matched: bool) -> dict[str, Sample]:
    """Minus the slope of log(gap at the midpoint) over log(width), by dimension of the neurons' law."""
    frame = tables["mean_field"]
    falls = {}
    for k in sorted(frame["k"].unique()):
        chosen = frame[(frame["k"] == k) & (frame["matched"] == matched)]
        gaps = chosen.pivot_table(index="repeat", columns="width", values="gap")
        slopes = slope_of(np.log(gaps.columns.to_numpy(dtype=float)), np.log(gaps.to_numpy()))
        falls[k] = pd.Series(-slopes, index=gaps.index)
    low, high = min(falls), max(falls)
    named = {"low dimension": falls[low], "high dimension": falls[high]}
    if matched:
        named["faster in low dimension"] = falls[low] - falls[high]
    return {name: Sample.of(values) for name, values in named.items()}

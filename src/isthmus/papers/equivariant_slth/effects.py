"""What each claim judges, made of the tables of the room: errors and answers, for each target, draw or seed."""

import numpy as np
import pandas as pd

from isthmus.claims import Exponent, Sample, Tables

# How many samples an exponent is fitted to. Below 6 most targets are out of reach of every subset.
SUMS, COEFFICIENTS = tuple(range(6, 19, 2)), tuple(range(6, 15, 2))


def right(frame: pd.DataFrame) -> pd.DataFrame:
    """Seeds by test examples: 100 where the answer was right, else 0; the mean is an accuracy in points."""
    answers = frame.set_index("seed")["answers"]
    return pd.DataFrame({seed: [100.0 * (mark == "+") for mark in marks] for seed, marks in answers.items()}).T


def kept_accuracy(tables: Tables, architecture: str, samples: int, pruning: str) -> Sample:
    """Accuracy of the pruned random network minus that of its target, in points, by seed and test example."""
    frame = tables["pruned"][tables["pruned"]["architecture"] == architecture]
    pruned = frame[(frame["pruning"] == pruning) & (frame["samples"] == samples)]
    return Sample.of(right(pruned) - right(frame[frame["pruning"] == "target"]), examples=True)


def by_samples(tables: Tables, pruning: str) -> dict[str, Sample]:
    return {f"{m} samples": kept_accuracy(tables, "c4", m, pruning) for m in (12, 14)}


def by_architecture(tables: Tables, names: tuple[str, ...], pruning: str) -> dict[str, Sample]:
    return {name: kept_accuracy(tables, name, 14, pruning) for name in names}


def sum_errors(tables: Tables, choice: str) -> dict[str, Sample]:
    """Geometric mean of the errors of a draw's problems, draws by 2^samples, for both laws of the samples."""
    frame = tables["lueker"][tables["lueker"]["choice"] == choice]
    frame = frame.assign(subsets=2 ** frame["samples"])
    laws = {
        law: rows.pivot_table(index="draw", columns="subsets", values="error") for law, rows in frame.groupby("law")
    }
    return {law: Sample.of(errors[[2**m for m in SUMS]]) for law, errors in laws.items()}


def coefficient_errors(tables: Tables, pruning: str) -> Sample:
    """Median error of a coefficient of the C4 network, seeds by 2^samples."""
    frame = tables["pruned"]
    chosen = frame[(frame["architecture"] == "c4") & (frame["pruning"] == pruning)]
    chosen = chosen.assign(subsets=2 ** chosen["samples"].fillna(0).astype(int))
    errors = chosen.pivot_table(index="seed", columns="subsets", values="median_error")
    return Sample.of(errors[[2**m for m in COEFFICIENTS]])


def finite_size(samples: tuple[int, ...], second: float, fourth: float) -> float:
    """How far a fitted exponent can be from -1, over all and over all but the first or last of `samples`.

    The 2^m sums of m samples v spread as a normal law of variance m second / 4 around half their own sum, whose
    squared distance from a target z, uniform within 1/2, is E z^2 + m second / 4. So the spacing's log at z is, in
    nats, -m ln 2 + ln(m) / 2 + 2 E z^2 / (m second) and a constant; the spread's own fluctuation takes
    (fourth / second^2 - 1) / (4 m). second, fourth: moments of v.
    """
    inverse = 2 / 12 / second + (fourth / second**2 - 1) / 4

    def term(window: tuple[int, ...]) -> float:
        m = np.array(window, dtype=float)
        parts = (np.polyfit(m, np.log2(m) / 2, 1)[0], np.polyfit(m, inverse / m / np.log(2), 1)[0])
        return float(np.abs(parts).sum())

    return max(term(window) for window in (samples, samples[1:], samples[:-1]))


def halving(samples: tuple[int, ...], second: float, fourth: float) -> Exponent:
    """An error that halves with each sample: exponent -1 in the number of subsets."""
    term = finite_size(samples, second, fourth)
    return Exponent(tuple(2**m for m in samples), -1.0, (-term, term))


def equivariance_errors(tables: Tables, masks: str) -> dict[str, Sample]:
    """Relative equivariance errors of two random layers, by architecture, over draws and densities."""
    frame = tables["equivariance"][tables["equivariance"]["masks"] == masks]
    named = frame.assign(case=frame["draw"].astype(str) + " at " + frame["density"].astype(str))
    return {name: Sample.of(rows.set_index("case")["error"]) for name, rows in named.groupby("architecture")}


def all_equivariance_errors(tables: Tables) -> dict[str, Sample]:
    """The same of masks on coefficients, and the invariance errors of every pruned network."""
    frame = tables["pruned"][tables["pruned"]["pruning"] != "target"]
    case = frame["architecture"] + frame["seed"].astype(str) + frame["pruning"] + frame["samples"].astype(str)
    pruned = Sample.of(pd.Series(frame["invariance_error"].to_numpy(), index=case.to_numpy()))
    return {**equivariance_errors(tables, "coefficients"), "pruned networks": pruned}


def over_bound(tables: Tables, bound: str) -> Sample:
    """By how much, relative to it, the largest output error found exceeds a bound; 0 where it does not."""
    frame = tables["bound"]
    excess = (frame["output_error"] / frame[bound] - 1).clip(lower=0)
    names = [frame[part].astype(str) for part in ("architecture", "channels", "pattern", "draw")]
    case = names[0].str.cat(names[1:], sep=" ")
    return Sample.of(pd.Series(excess.to_numpy(), index=case.to_numpy()))


def popup_rows(tables: Tables, **where: object) -> pd.DataFrame:
    """Rows of the table `popup` with these values."""
    frame = tables["popup"]
    for key, value in where.items():
        frame = frame[np.isclose(frame[key], value) if isinstance(value, float) else frame[key] == value]
    return frame


def widths(tables: Tables) -> list[int]:
    """Hidden widths of the random networks, rising."""
    return sorted(popup_rows(tables, weights="signed")["hidden"].unique())


def widest(tables: Tables, weights: str, scores: str, kept: float = 0.5) -> pd.DataFrame:
    where = {"weights": weights, "scores": scores, "kept": kept, "hidden": widths(tables)[-1]}
    return right(popup_rows(tables, **where))


def over_trained(tables: Tables, scores: str) -> Sample:
    """Accuracy at one half kept minus that of a trained network of as many weights, in points."""
    trained = popup_rows(tables, weights="trained", run="matched")
    return Sample.of(widest(tables, "signed", scores) - right(trained), examples=True)


def by_width(tables: Tables, scores: str) -> Sample:
    """Accuracy in points, seeds by rank of the width."""
    found = {
        f"width {rank}": right(popup_rows(tables, weights="signed", scores=scores, kept=0.5, hidden=hidden)).mean(
            axis=1
        )
        for rank, hidden in enumerate(widths(tables), start=1)
    }
    return Sample.of(pd.DataFrame(found))


def over_other_fractions(tables: Tables, scores: str) -> dict[str, Sample]:
    """Accuracy at one half kept minus that at a tenth, and at nine tenths, in points."""
    half = widest(tables, "signed", scores)
    others = {"a tenth kept": 0.1, "nine tenths kept": 0.9}
    return {
        name: Sample.of(half - widest(tables, "signed", scores, kept), examples=True)
        for name, kept in others.items()
    }


def signed_over_normal(tables: Tables, scores: str) -> Sample:
    return Sample.of(widest(tables, "signed", scores) - widest(tables, "normal", scores), examples=True)

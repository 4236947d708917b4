"""Other ways to measure a claim on the tables that are there: named beforehand, judged beside the claim's own.

A way changes what the claim's statistic sees, or its margin, and never the statistic: what it finds is what the
verdict would have been, had this been measured.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from isthmus.kinds import Kind

Tables: TypeAlias = Mapping[str, pd.DataFrame]


class NotMeasuredError(Exception):
    """A table, a column or rows that this scale does not have."""


class Measurements(dict[str, pd.DataFrame]):
    """The tables that a scale has; NotMeasuredError for one that it has not."""

    def __missing__(self, name: str) -> pd.DataFrame:
        raise NotMeasuredError(name)


@dataclass(frozen=True)
class Way:
    """One other way.

    name: in plain words. tables: from the room's tables to those that the statistic sees; NotMeasuredError where
    they lack what it takes. kind: the test, where its margin is another. controls: whether the controls see those
    tables too; else they stay the claim's own, because their case was measured in one way only.
    """

    name: str
    tables: Callable[[Tables], Tables] | None = None
    kind: Kind | None = None
    controls: bool = True

    def seen(self, tables: Tables) -> Tables:
        """The tables as the statistic sees them."""
        return tables if self.tables is None else self.tables(Measurements(tables))


def exchanged(tables: Tables, name: str, one: Mapping[str, object], other: Mapping[str, object]) -> Tables:
    """The tables with two kinds of rows of one table in each other's place.

    one, other: values of the same columns; floats within rounding.
    """
    frame = tables[name]
    first, second = (_matching(frame, where) for where in (one, other))
    if not (first.any() and second.any()):
        raise NotMeasuredError(f"{name}: {dict(one)} and {dict(other)}")
    frame = frame.copy()
    for column in one:
        frame.loc[first, column], frame.loc[second, column] = other[column], one[column]
    return {**tables, name: frame}


def in_place(tables: Tables, names: tuple[str, ...], column: str, of: str) -> Tables:
    """The tables with one column in the place of another, in those of these names."""
    return {**tables, **{name: tables[name].assign(**{of: tables[name][column]}) for name in names}}


def _matching(frame: pd.DataFrame, where: Mapping[str, object]) -> np.ndarray:
    """(rows,) whether a row has these values."""
    found = np.ones(len(frame), dtype=bool)
    for column, value in where.items():
        found &= np.isclose(frame[column], value) if isinstance(value, float) else frame[column] == value
    return found

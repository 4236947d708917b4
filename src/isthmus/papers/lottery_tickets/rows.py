"""Choosing rows of this room's tables, and reading which test examples a network has right. No torch."""

import numpy as np
import pandas as pd


def those(frame: pd.DataFrame, **where: object) -> pd.DataFrame:
    """The rows with these values; floats within rounding."""
    for key, value in where.items():
        same = np.isclose(frame[key], value) if isinstance(value, float) else frame[key] == value
        frame = frame[same]
    return frame


def hits(frame: pd.DataFrame) -> pd.DataFrame:
    """Pairs by test examples: 100 where the pair's network has the example right, else 0, mean over its rows.

    Means of it are accuracies in points.
    """
    right = np.stack([np.frombuffer(text.encode(), dtype=np.uint8) for text in frame["right"]]) == ord("x")
    return pd.DataFrame(100.0 * right, index=frame["pair"]).groupby(level="pair").mean()

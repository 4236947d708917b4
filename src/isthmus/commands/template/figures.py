"""The figures: one function each, from its table to axes."""

import pandas as pd
import seaborn
from matplotlib.figure import Figure

from isthmus.figures import interval95, legend_right


def accuracy_by_step(table: pd.DataFrame, figure: Figure) -> None:
    """Mean accuracy along training with its interval over seeds, one line a run."""
    axes = figure.subplots()
    seaborn.lineplot(
        table, x="step", y="accuracy", hue="run", style="run", markers=True, dashes=False, palette="colorblind",
        errorbar=interval95, ax=axes,
    )  # fmt: skip
    axes.set(xlabel="training step (updates)", ylabel="test accuracy (share)", ylim=(0, 1))
    legend_right(axes)

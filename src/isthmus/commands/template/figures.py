"""The figures: one function each, from its table to axes."""

import pandas as pd
import seaborn
from matplotlib.figure import Figure

from isthmus.figures import legend_right


def accuracy_by_step(table: pd.DataFrame, figure: Figure) -> None:
    """Accuracy along training, one line a network, colour by run."""
    axes = figure.subplots()
    seaborn.lineplot(
        table, x="step", y="accuracy", hue="run", style="run", units="seed", estimator=None, palette="colorblind",
        ax=axes,
    )  # fmt: skip
    axes.set(xlabel="training step (updates)", ylabel="test accuracy (share)", ylim=(0, 1))
    legend_right(axes)

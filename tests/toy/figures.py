"""The length of each network."""

import pandas as pd
from matplotlib.figure import Figure


def norm_by_seed(table: pd.DataFrame, figure: Figure) -> None:
    """Length against seed."""
    figure.subplots().plot(table["seed"], table["norm"])

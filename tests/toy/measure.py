"""How long each network is."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from isthmus.engine.checkpoints import Counter
from isthmus.engine.fleet import Fleet


def norms(fleets: Mapping[str, Fleet], settings: Mapping[str, Any], progress: Counter) -> pd.DataFrame:
    """One row a network: its seed and the norm of its weights."""
    (fleet,) = fleets.values()
    lengths = fleet.final.norm(p=settings["power"], dim=1)
    return pd.DataFrame({"seed": [network.seed for network in fleet.networks], "norm": lengths.tolist()})

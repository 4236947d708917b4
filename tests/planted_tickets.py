"""Tables of the room lottery_tickets in which every claim of the three papers is true, or in which none is."""

import numpy as np
import pandas as pd

PAIRS, EXAMPLES = range(1000, 1010), 6000
TRIED = (0.512, 0.21, 0.0865, 0.0356)
ROUNDS = (0.64, 0.512, 0.328, 0.21, 0.135, 0.0865, 0.0555, 0.0356)
WORN = (0.0865, 0.0555, 0.0356)


def tables(true: bool) -> dict[str, pd.DataFrame]:
    """All tables that claims read; true: whether the claims hold in them."""
    generator = np.random.default_rng(7)
    made = (tickets, stability, transfer, diversity, path)
    return {table.__name__: table(generator, true) for table in made}


def right(generator: np.random.Generator, percent: float) -> dict[str, object]:
    """Accuracy and which examples are right, each with this chance."""
    drawn = generator.random(EXAMPLES) < percent / 100
    return {"accuracy": drawn.mean(), "right": "".join("x" if one else "." for one in drawn)}


def tickets(generator: np.random.Generator, true: bool) -> pd.DataFrame:
    """Tickets better and faster than dense, re-initialised ones worse the sparser; or tickets like those."""
    cost = dict(zip(TRIED, (3.0, 5.0, 8.0, 12.0), strict=True))
    cells = [("dense", 1.0, 0, 96.0, 300)]
    for share in ROUNDS:
        cells.append(("ticket", share, 0, 98.0 if true else 92.0, 200 if true else 600))
    for share, lost in cost.items():
        for order in (0, 1):
            cells.append(("naive", share, order, 98.0 - lost if true else 92.0, 600))
    return pd.DataFrame(
        {"pair": pair, "lr": 0.05, "order": order, "arm": arm, "density": share, **right(generator, percent),
         "stop": round(stop * generator.uniform(0.9, 1.1))}
        for pair in PAIRS for arm, share, order, percent, stop in cells
    )  # fmt: skip


def stability(generator: np.random.Generator, true: bool) -> pd.DataFrame:
    """Stable late or at a low rate, and sparse networks the worse the less stable; or the same everywhere."""
    cells = []
    for lr, unstable in {0.05: (0.2, 0.2, 0.1, 0.1), 0.2: (20.0, 8.0, 1.0, 0.3)}.items():
        for rewind, points in zip((0.0, 0.03, 0.1, 0.3), unstable, strict=True):
            cells.append(("dense", lr, rewind, 1.0, points if true else 5.0, 0.0))
        for share in WORN:
            # Of an unstable network only the ticket from k = 0 is bad.
            early = 4.0 if lr == 0.2 and true else 0.0
            cells.append(("ticket", lr, 0.0, share, 8.0 if early else 0.5, early))
            cells.append(("ticket", lr, 0.1, share, 0.5, 0.0))
    for share in TRIED:
        for arm, points, gap in (("naive", 12.0, 7.0), ("shuffled", 20.0, 12.0)):
            cells.append((arm, 0.05, 0.0, share, points, gap if true else 0.0))
    frame = pd.DataFrame(
        [(pair, *cell) for pair in PAIRS for cell in cells],
        columns=["pair", "arm", "lr", "rewind", "density", "instability", "gap"],
    )
    noise = [generator.normal(0, 0.1, len(frame)) for _ in range(3)]
    return frame.assign(
        instability=(frame["instability"] + noise[0]).clip(lower=0) / 100,
        instability_train=(frame["instability"] + noise[1]).clip(lower=0) / 100,
        accuracy=0.97 - (frame["gap"] + noise[2]) / 100,
    ).drop(columns="gap")


def transfer(generator: np.random.Generator, true: bool) -> pd.DataFrame:
    """Aligned masks nearly as good as tickets once rewound, the more so wide and sparse; or as bad as any order."""
    cells = []
    for width, shares, part in ((64, WORN, 0.95), (32, WORN[1:2], 0.65)):
        for share, gap in zip(shares, (7.0, 12.0, 18.0), strict=False):
            gained = {"ticket": gap, "permuted": part * gap if true else 0.0, "naive": 0.0}
            gained |= {"reordered": 0.0, "shuffled": -8.0}
            cells += [(width, 0.1, share, arm, 76.0 + more) for arm, more in gained.items()]
    for share in (WORN[0], WORN[2]):
        early = {"ticket": 76.0 if true else 92.0, "permuted": 76.0, "naive": 76.0, "shuffled": 68.0}
        cells += [(64, 0.0, share, arm, percent) for arm, percent in early.items()]
    return pd.DataFrame(
        {"width": width, "pair": pair, "rewind": rewind, "density": share, "arm": arm, **right(generator, percent)}
        for pair in PAIRS for width, rewind, share, arm, percent in cells
    )  # fmt: skip


def diversity(generator: np.random.Generator, true: bool) -> pd.DataFrame:
    """Several networks more diverse than several data orders, and better together; or no different."""
    more = {"ticket": (3.0, 95.0, 96.0), "naive": (12.0, 88.0, 91.0), "permuted": (12.0, 92.0, 98.0)}
    same = dict.fromkeys(more, (3.0, 95.0, 96.0))
    cells = (more if true else same) | dict.fromkeys(("first orders", "last orders"), (3.0, 95.0, 96.0))
    return pd.DataFrame(
        {"pair": pair, "arm": arm, "disagreement": (apart + generator.normal(0, 0.3)) / 100,
         "right": right(generator, together)["right"], "accuracy": (members + generator.normal(0, 0.3)) / 100}
        for pair in PAIRS for arm, (apart, members, together) in cells.items()
    )  # fmt: skip


def path(generator: np.random.Generator, true: bool) -> pd.DataFrame:
    """A barrier that grows along rounds and that REPAIR takes away; or one that it leaves."""
    cells = [("copy", 1.0, 0.2, 0.2), ("next", WORN[-1], 40.0, 20.0)]
    for place, share in enumerate(ROUNDS, start=1):
        cells.append(("ticket", share, 1.0 * place, 0.1 * place if true else 1.0 * place))
    return pd.DataFrame(
        {"seed": seed, "other": other, "density": share, "line": line,
         "error_barrier": max(0.0, points + generator.normal(0, 0.05)) / 100}
        for seed in PAIRS for other, share, *both in cells
        for line, points in zip(("plain", "repaired"), both, strict=True)
    )  # fmt: skip

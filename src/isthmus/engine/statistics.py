"""BatchNorm's statistics of rows, by one explicit pass over the training set: training itself never keeps any.

Interpolated or permuted networks need the same pass (REPAIR's reset, Jordan et al. 2022, section 3.1).
"""

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture


@torch.no_grad()
def refreshed(architecture: Architecture, theta: Tensor, x: Tensor, batch: int) -> Tensor:
    """Rows (R, P) whose statistics are plain averages over the full batches of x (N, *shape), in their order.

    Each batch is normalised by its own mean and variance, as in training; this is torch.nn.BatchNorm2d's pass with
    `momentum=None`. What is left over of the last batch sits out. Rows without statistics come back as they are.
    Raises ValueError for examples that make not one batch.
    """
    layout = architecture.layout
    if layout.trained == layout.size:
        return theta
    if len(x) < batch:
        raise ValueError(f"wanted at least one batch of {batch} examples, found {len(x)}")
    total: dict[str, Tensor] = {}
    starts = range(0, len(x) - batch + 1, batch)
    for start in starts:
        found = architecture.batch_statistics(theta, x[start : start + batch])
        total = {name: value.double() + total.get(name, 0.0) for name, value in found.items()}
    means = {name: (value / len(starts)).to(theta.dtype) for name, value in total.items()}
    return layout.join({**layout.split(theta), **means})

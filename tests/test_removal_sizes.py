"""Sizes are counted from widths: by hand, by the rows that are cut, and by PyTorch's own counter of operations."""

import pytest
import torch
from architectures import architecture
from networks import mlp
from removals import FAMILIES, data_of, run_of
from torch.utils.flop_counter import FlopCounterMode

from isthmus.engine.train import Trainer
from isthmus.removal import sizes
from isthmus.removal.cut import Cut
from isthmus.symmetry.table import group_sizes


def whole(architecture, count=1):
    return {
        group: torch.ones(count, n, dtype=torch.bool)
        for group, n in group_sizes(architecture.layout, architecture.axes).items()
    }


def test_the_sheets_network():
    """Reference check 9: 26,122 parameters; without 64 units of the first layer 13,770."""
    built = mlp((128, 128), features=64, classes=10)
    live = whole(built, 2)
    live["h0"][1, ::2] = False
    assert sizes.parameters(built, live).tolist() == [26_122, 13_770]
    assert sizes.flops(built, live).tolist() == [
        2 * (64 * 128 + 128 * 128 + 128 * 10), 2 * (64 * 64 + 64 * 128 + 128 * 10),
    ]  # fmt: skip
    assert sizes.neuron_sparsity(live).tolist() == [0.0, 0.25]
    assert sizes.weight_sparsity(built, live).tolist() == [0.0, 1 - 13_770 / 26_122]


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_are_those_of_rows_that_are_cut(family):
    run, data = run_of(family), data_of(family)
    built = Trainer(run, run.networks[:1], data).architecture
    live = whole(built, 3)
    generator = torch.Generator().manual_seed(0)
    for left in live.values():
        left[1:] = torch.rand(left[1:].shape, generator=generator) < 0.5
        left[:, 0] = True
    for row in range(3):
        one = {group: left[row : row + 1] for group, left in live.items()}
        cut = Cut.of(built, one)
        assert sizes.parameters(built, live)[row] == cut.architecture.layout.trained
        # Found by running it once.
        assert cut.architecture.widest > 0
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            cut.architecture.logits(cut.take(built.initial([0])), data.inputs["train"][:1])
        assert sizes.flops(built, live)[row] == counter.get_total_flops()


def test_sizes_of_a_model_with_other_weights():
    built = architecture("rnn, relu")
    with pytest.raises(
        ValueError, match=r"wanted weights of linear layers and convolutions, found layers\.0\.into_weight"
    ):
        sizes.flops(built, whole(built))

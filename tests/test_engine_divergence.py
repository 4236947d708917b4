"""A network that diverges is marked with its step, and its neighbours end with the bits that they have alone."""

import math

import pytest
import torch
from training import NETWORKS, SETTINGS, dataset, recipe, row_of, trained

from isthmus.engine import serial
from isthmus.engine.recipe import Network

EXPLODES = Network(9, 1e30)


@pytest.mark.parametrize("setting", SETTINGS)
def test_neighbours_of_a_diverging_network_keep_their_bits(setting):
    run, data = recipe(setting), dataset()
    networks = (*NETWORKS[:3], EXPLODES, *NETWORKS[3:])
    beside = trained(run, data, networks).tensors
    alone = trained(run, data, NETWORKS).tensors
    kept = [row for row, network in enumerate(networks) if network != EXPLODES]
    for name, tensor in alone.items():
        assert torch.equal(beside[name][kept], tensor), name


def test_the_step_of_the_first_loss_that_is_not_finite_is_kept():
    run, data = recipe("plain sgd"), dataset()
    tensors = trained(run, data, (NETWORKS[0], EXPLODES)).tensors
    losses, diverged = tensors["probe/loss"], tensors["probe/diverged_at"].tolist()
    at = next(step for step, loss in enumerate(losses[1].tolist()) if not math.isfinite(loss))
    assert 0 < at < run.steps
    assert diverged == [-1, at]
    assert losses[0].isfinite().all()


def test_the_oracle_diverges_too():
    run, data = recipe("plain sgd"), dataset()
    assert not row_of(run, data, EXPLODES).isfinite().all()
    assert not serial.train(run, EXPLODES, data).isfinite().all()

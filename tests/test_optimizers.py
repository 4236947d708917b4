"""Every optimizer against PyTorch's own over random gradients, with a learning rate for each row."""

import pytest
import torch
from torch.optim import SGD, Adam, AdamW

from isthmus.optimizers import adam, sgd

ROWS, SIZE, STEPS = 4, 30, 10

# Ours, its settings, PyTorch's, what its settings are called there.
OPTIMIZERS = {
    "sgd": (sgd, {}, SGD, {}),
    "momentum": (sgd, {"momentum": 0.9}, SGD, {"momentum": 0.9}),
    "nesterov": (sgd, {"momentum": 0.9, "nesterov": True}, SGD, {"momentum": 0.9, "nesterov": True}),
    "sgd, decay": (sgd, {"weight_decay": 0.1}, SGD, {"weight_decay": 0.1}),
    "momentum, decay": (sgd, {"momentum": 0.8, "weight_decay": 0.1}, SGD, {"momentum": 0.8, "weight_decay": 0.1}),
    "adam": (adam, {}, Adam, {}),
    "adam, betas": (adam, {"betas": (0.5, 0.7), "eps": 1e-3}, Adam, {"betas": (0.5, 0.7), "eps": 1e-3}),
    "adam, decay": (adam, {"weight_decay": 0.1}, Adam, {"weight_decay": 0.1}),
    "adamw": (adam, {"weight_decay": 0.1, "decoupled": True}, AdamW, {"weight_decay": 0.1}),
}


def drawn(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def path_of(ours, settings, theta, rates, gradients):
    """Rows after each step; each step's rate is the row's own, falling."""
    theta = theta.clone()
    state, path = ours.init(theta, settings), []
    for step, gradient in enumerate(gradients):
        ours.update(theta, gradient, state, rates * (1 - step / 20), step, settings)
        path.append(theta.clone())
    return torch.stack(path)


@pytest.fixture
def problem():
    rates = torch.tensor([[0.1], [0.03], [0.01], [0.3]])
    return drawn(0, ROWS, SIZE), rates, drawn(1, STEPS, ROWS, SIZE)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_step_is_pytorchs(name, problem):
    ours, settings, theirs, kwargs = OPTIMIZERS[name]
    theta, rates, gradients = problem
    path = path_of(ours, settings, theta, rates, gradients)
    for row in range(ROWS):
        parameter = torch.nn.Parameter(theta[row].clone())
        optimizer = theirs([parameter], lr=1.0, **kwargs)
        for step in range(STEPS):
            optimizer.param_groups[0]["lr"] = rates[row].item() * (1 - step / 20)
            parameter.grad = gradients[step, row].clone()
            optimizer.step()
            torch.testing.assert_close(path[step, row], parameter.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_row_does_not_know_the_others(name, problem):
    ours, settings, _, _ = OPTIMIZERS[name]
    theta, rates, gradients = problem
    together = path_of(ours, settings, theta, rates, gradients)
    for row in range(ROWS):
        only = slice(row, row + 1)
        alone = path_of(ours, settings, theta[only], rates[only], gradients[:, only])
        assert torch.equal(alone, together[:, only])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_rate_of_zero_moves_nothing(name, problem):
    ours, settings, _, _ = OPTIMIZERS[name]
    theta, rates, gradients = problem
    path = path_of(ours, settings, theta, 0 * rates, gradients)
    assert torch.equal(path[-1], theta)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_gradient_is_left_as_it_was(name, problem):
    """The engine keeps it for nothing, but a probe may."""
    ours, settings, _, _ = OPTIMIZERS[name]
    theta, rates, gradients = problem
    before = gradients.clone()
    path_of(ours, settings, theta, rates, gradients)
    assert torch.equal(gradients, before)


def test_settings_all_make_a_difference(problem):
    theta, rates, gradients = problem
    ends = [path_of(ours, settings, theta, rates, gradients)[-1] for ours, settings, _, _ in OPTIMIZERS.values()]
    for row in range(ROWS):
        assert len(torch.stack(ends)[:, row].unique(dim=0)) == len(OPTIMIZERS)

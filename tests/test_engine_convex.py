"""The convex control: least squares by full-batch gradient descent has no butterfly effect, a hidden layer has."""

import torch
from training import dataset, mlp, recipe, trained

from isthmus.connectivity.barrier import barrier, on_line
from isthmus.engine import perturb
from isthmus.engine.architecture import Architecture
from isthmus.engine.recipe import Named, Network, Perturbation
from isthmus.specs import Run

EXAMPLES, STEPS, RATE = 40, 30, 0.05
SIGMAS = (0.0, 1e-4, 1e-2, 0.1, 1.0)
TIMES = (0, 7, 29, 30)


def fleet(data, model, sigma_and_times, rate=RATE, **changes):
    """Rows of the reference and of its copies, kicked by sigma at each time; the networks themselves."""
    kicks = [Perturbation(at, "gaussian", sigma) for sigma, at in sigma_and_times]
    networks = (Network(0, rate), *(Network(0, rate, 0, kick) for kick in kicks))
    run = recipe("squared loss", model=model, optimizer=Named("sgd"), batch=len(data.inputs["train"]), steps=STEPS,
                 checkpoints=(STEPS,), networks=networks, **changes)  # fmt: skip
    architecture = Architecture.of(run, data.shape, data.classes)
    return architecture, trained(run, data).tensors["theta"], networks


def barriers(data, architecture, theta, loss="squared"):
    """Train barrier between the reference and each copy."""
    x, y = data.inputs["train"], data.labels["train"]
    copies = theta[1:]
    line = on_line(architecture, theta[:1].expand_as(copies), copies, x, y, loss=loss)
    return barrier(line.losses, line.alphas)


def test_a_difference_evolves_by_the_hessian_alone():
    """(I - lr H)^(T - t) eps in float64, H = mean of [x 1] [x 1]' for each output by itself."""
    data = dataset(EXAMPLES)
    grid = [(sigma, at) for sigma in SIGMAS for at in TIMES]
    architecture, theta, networks = fleet(data, mlp(), grid)
    x = torch.cat([data.inputs["train"].double(), torch.ones(EXAMPLES, 1).double()], dim=1)
    step = torch.eye(x.shape[1]).double() - RATE * x.T @ x / EXAMPLES
    for row, network in enumerate(networks[1:], start=1):
        kick = architecture.layout.split(perturb.kick(architecture, network, None))
        eps = torch.cat([kick["layers.0.weight"], kick["layers.0.bias"].unsqueeze(1)], dim=1)
        wanted = eps @ torch.linalg.matrix_power(step, STEPS - network.perturbation.at)
        found = architecture.layout.split(theta[row] - theta[0])
        found = torch.cat([found["layers.0.weight"], found["layers.0.bias"].unsqueeze(1)], dim=1)
        torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=2e-6)


def test_a_convex_loss_has_no_barrier_for_any_kick():
    data = dataset(EXAMPLES)
    architecture, theta, _ = fleet(data, mlp(), [(sigma, 0) for sigma in SIGMAS])
    assert barriers(data, architecture, theta).max() <= 1e-6


def test_a_hidden_layer_has_a_barrier_for_the_same_kick():
    data = dataset(EXAMPLES)
    architecture, theta, _ = fleet(data, mlp(16), [(0.0, 0), (1.0, 0)], rate=0.2)
    null, kicked = barriers(data, architecture, theta).tolist()
    assert null == 0
    assert kicked > 1e-3


def test_a_study_may_name_a_network_without_hidden_layers():
    content = {
        "data": "digits/pilot/unit",
        "model": {"mlp": {"widths": []}},
        "optimizer": {"sgd": {}},
        "schedule": {"constant": {}},
        "lr": 0.1,
        "loss": "squared",
        "batch": 1500,
        "time": "3ep",
        "seeds": 1,
        "first_seed": 0,
        "chunk": 1,
    }
    found = Run.model_validate(content).recipe()
    assert (found.steps, found.loss, found.model.settings["widths"]) == (3, "squared", ())

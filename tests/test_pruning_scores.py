"""Scores of all rows at once are those of one network after another, of a dense Hessian, and of what they mean."""

import pytest
import torch
from architectures import MODELS, architecture
from networks import data, mlp, rows
from torch.func import functional_call
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from isthmus.engine import architecture as engine
from isthmus.pruning.scores import balanced, grasp, snip


def problem(architecture, count=3, examples=6):
    """Rows, inputs and labels in float64, where two orders of summation agree to twelve digits."""
    x, y = data(architecture, examples)
    return rows(architecture, count).double(), x.double(), y


def loss_of(architecture, row, x, y, training=True, temperature=1.0):
    """The mean loss of one network, by the module itself as PyTorch calls it."""
    module = architecture.module.train(training)
    logits = functional_call(module, architecture.layout.split(row), (x,))
    return functional.cross_entropy(logits / temperature, y)


def serial(architecture, theta, x, y, training):
    """SNIP and GraSP (temperature 1), one row after another."""
    found = []
    with sdpa_kernel(SDPBackend.MATH):
        for row in theta:
            row = row.clone().requires_grad_()
            loss = loss_of(architecture, row, x, y, training)
            (gradient,) = torch.autograd.grad(loss, row, create_graph=True)
            (product,) = torch.autograd.grad(gradient.square().sum() / 2, row)
            found.append(torch.stack([(row * gradient).abs(), row * product]).detach())
    return torch.stack(found, 1)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("model", MODELS)
def test_all_rows_at_once_are_one_network_after_another(model, training):
    model = architecture(model)
    theta, x, y = problem(model, 2)
    wanted = serial(model, theta, x, y, training)
    for found, of_row in zip((snip, grasp), wanted, strict=True):
        settings = {"temperature": 1.0} if found is grasp else {}
        scores = found(model, theta, x, y, training=training, **settings)
        assert not scores.requires_grad
        torch.testing.assert_close(scores, of_row, rtol=1e-9, atol=1e-12 * float(of_row.abs().max()))


def test_batch_norm_sees_the_batch_or_the_row():
    model = architecture("cnn, batch norm")
    theta, x, y = problem(model)
    for score in (snip, grasp):
        own, batch = (score(model, theta, x, y, training=training) for training in (False, True))
        assert (own - batch).abs().max() > 0.01 * own.abs().max()


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_grasp_is_the_dense_hessians(activation, loss):
    model = mlp((4, 3), features=3, activation=activation)
    theta, x, y = problem(model)

    def of_row(row):
        logits = functional_call(model.module, model.layout.split(row), (x,)) / 5.0
        if loss == "squared":
            return 0.5 * (logits - functional.one_hot(y, 3)).square().sum(1).mean()
        return functional.cross_entropy(logits, y)

    scores = grasp(model, theta, x, y, loss, temperature=5.0)
    for row, found in zip(theta, scores, strict=True):
        hessian = torch.autograd.functional.hessian(of_row, row)
        gradient = torch.autograd.functional.jacobian(of_row, row)
        torch.testing.assert_close(found, row * (hessian @ gradient), rtol=1e-10, atol=1e-14)


def test_the_paper_divides_logits_by_200():
    model = mlp((4,), features=3)
    theta, x, y = problem(model)
    assert torch.equal(grasp(model, theta, x, y), grasp(model, theta, x, y, temperature=200.0))


def squared_gradient(model, row, x, y):
    row = row.clone().requires_grad_()
    return torch.autograd.grad(loss_of(model, row, x, y), row)[0].square().sum()


def test_scores_say_what_is_lost_with_a_weight():
    """Shrunk a little, a weight changes the loss by SNIP's score and |g|^2 by twice GraSP's, which falls for a
    positive score: the largest are to be kept."""
    model = mlp((4, 3), features=3, activation="tanh")
    theta, x, y = problem(model, 1)
    sensitivity, flow = snip(model, theta, x, y)[0], grasp(model, theta, x, y, temperature=1.0)[0]
    row, eps = theta[0], 1e-5
    for column in range(model.layout.size):
        less, more = row.clone(), row.clone()
        less[column] *= 1 - eps
        more[column] *= 1 + eps
        slope = (loss_of(model, more, x, y) - loss_of(model, less, x, y)) / (2 * eps)
        torch.testing.assert_close(slope.abs(), sensitivity[column], rtol=1e-5, atol=1e-9)
        slope = (squared_gradient(model, more, x, y) - squared_gradient(model, less, x, y)) / (2 * eps)
        torch.testing.assert_close(slope / 2, flow[column], rtol=1e-5, atol=1e-9)


def test_a_weight_of_an_input_that_is_always_zero_has_no_score():
    model = mlp((7, 5))
    theta, x, y = problem(model)
    x[:, 2] = 0.0
    for score in (snip, grasp):
        weights = model.layout.split(score(model, theta, x, y))["layers.0.weight"]
        assert not weights[:, :, 2].any()
        assert weights[:, :, [0, 1, 3, 4, 5]].count_nonzero() > 0.9 * weights[:, :, :5].numel() * 0.5


@pytest.mark.parametrize("score", [snip, grasp])
def test_a_rows_score_is_its_own(score, monkeypatch):
    """Bit for bit, whoever stands beside it, in whatever blocks; a network that is not a number hurts nobody."""
    model = mlp((7, 5))
    theta, (x, y) = rows(model, 5), data(model, 9)
    together = score(model, theta, x, y)
    assert torch.equal(torch.cat([score(model, row[None], x, y) for row in theta]), together)
    monkeypatch.setattr(engine, "_BLOCK", {"cpu": 2 * model.layout.size})
    assert model.rows_at_once(9) == 2
    assert torch.equal(score(model, theta, x, y), together)
    theta[3] = torch.nan
    found = score(model, theta, x, y)
    assert torch.equal(found[[0, 1, 2, 4]], together[[0, 1, 2, 4]])
    assert found[3].isnan().all()


@pytest.mark.parametrize("score", [snip, grasp])
def test_each_row_may_have_its_own_batch(score):
    model = mlp((7, 5))
    theta, batches = rows(model, 3), [data(model, 9, seed) for seed in range(3)]
    x, y = (torch.stack(part) for part in zip(*batches, strict=True))
    alone = [score(model, theta[row : row + 1], *batches[row]) for row in range(3)]
    assert torch.equal(score(model, theta, x, y), torch.cat(alone))


def test_a_balanced_batch_has_as_many_examples_of_each_class():
    labels = torch.randint(4, (200,), generator=torch.Generator().manual_seed(0))
    places = balanced(labels, 10, seed=3)
    assert torch.equal(labels[places], torch.arange(4).repeat_interleave(10))
    assert len(places.unique()) == 40
    assert torch.equal(balanced(labels, 10, seed=3), places)
    assert not torch.equal(balanced(labels, 10, seed=4), places)
    with pytest.raises(ValueError, match=r"^balanced batch: wanted 90 examples of each class, found \d+ of one$"):
        balanced(labels, 90, seed=3)

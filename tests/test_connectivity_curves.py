"""Curves between networks: closed forms, exact ends, the gradient against autograd, and low paths really found."""

from functools import cache
from itertools import pairwise

import pytest
import torch
from architectures import architecture as model
from networks import data, mlp, rows
from scipy.integrate import quad
from sklearn.datasets import load_digits
from training import mlp as named_mlp
from training import recipe, trained

from isthmus.connectivity.barrier import barrier, on_line
from isthmus.connectivity.curves import (
    KINDS,
    Curve,
    arc_lengths,
    bend_gradient,
    coefficients,
    on_curve,
    straight,
    train_curve,
)
from isthmus.data.prepared import DataSet
from isthmus.engine.evaluate import evaluate
from isthmus.engine.recipe import Network
from isthmus.engine.statistics import refreshed
from isthmus.engine.streams import stream
from isthmus.symmetry import table

ALPHAS = torch.linspace(0, 1, 9, dtype=torch.float64)
IN_ORDER = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0], dtype=torch.float64)


def bent(kind, points=3, count=2, size=5, dtype=torch.float32):
    generator = torch.Generator().manual_seed(points)
    return Curve(kind, torch.randn((count, points, size), generator=generator, dtype=dtype))


def test_one_bend_is_the_papers_formulas():
    a, bend, b = (bent("bezier", dtype=torch.float64).points[:, i] for i in range(3))
    for t in ALPHAS.tolist():
        each = torch.full((2,), t, dtype=torch.float64)
        bezier = (1 - t) ** 2 * a + 2 * t * (1 - t) * bend + t**2 * b
        first, second = 2 * (t * bend + (0.5 - t) * a), 2 * ((t - 0.5) * b + (1 - t) * bend)
        torch.testing.assert_close(bent("bezier", dtype=torch.float64).at(each), bezier)
        torch.testing.assert_close(bent("polygon", dtype=torch.float64).at(each), first if t <= 0.5 else second)


def test_two_bends():
    cubic = coefficients("bezier", torch.tensor(0.25), 2)
    assert cubic.tolist() == pytest.approx([27 / 64, 27 / 64, 9 / 64, 1 / 64])
    # A third of the way a polygon of three sides is at its first bend, halfway in the middle of its second side.
    assert coefficients("polygon", torch.tensor(1 / 3), 2).tolist() == pytest.approx([0, 1, 0, 0], abs=1e-6)
    assert coefficients("polygon", torch.tensor(0.5), 2).tolist() == [0, 0.5, 0.5, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_ends_are_the_networks_bit_for_bit(kind):
    curve = bent(kind, points=5)
    assert torch.equal(curve.at(torch.zeros(2)), curve.points[:, 0])
    assert torch.equal(curve.at(torch.ones(2)), curve.points[:, -1])


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match="wanted one of bezier, polygon, found 'spline'"):
        coefficients("spline", ALPHAS, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bends", [1, 3])
def test_untrained_it_is_the_straight_line(kind, bends):
    architecture = mlp((8, 7))
    a, b, (x, y) = rows(architecture, 3), rows(architecture, 3, seed=50), data(architecture, 40)
    found = train_curve(architecture, a, b, x, y, [0, 1, 2], kind, bends, steps=0, batch=10)
    assert found.losses.shape == (0, 3)
    path, line = on_curve(architecture, found.curve, x, y, 9), on_line(architecture, a, b, x, y, 9)
    torch.testing.assert_close(path.losses, line.losses, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(path.lengths, (b - a).double().norm(dim=1, keepdim=True) * line.alphas)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_the_gradient_of_the_bends_is_autograds(kind, loss):
    architecture = mlp((8, 7), activation="tanh")
    a, b, (x, y) = rows(architecture, 3).double(), rows(architecture, 3, seed=50).double(), data(architecture, 20)
    bends = torch.stack([rows(architecture, 3, seed=s).double() for s in (70, 90)], 1)
    x, alphas = x.double(), torch.tensor([0.2, 0.4, 0.9], dtype=torch.float64)

    def loss_at(bends):
        """The closed forms, by de Casteljau's construction and by the side that alpha is on."""
        points = [a, bends[:, 0], bends[:, 1], b]
        if kind == "polygon":
            side = (alphas * 3).long()
            points = torch.stack(points, 1)
            start, stop = points[torch.arange(3), side], points[torch.arange(3), side + 1]
            theta = torch.lerp(start, stop, (alphas * 3 - side).unsqueeze(1))
        else:
            while len(points) > 1:
                points = [torch.lerp(p, q, alphas.unsqueeze(1)) for p, q in pairwise(points)]
            (theta,) = points
        logits = architecture.logits(theta, x)
        if loss == "squared":
            return 0.5 * (logits - torch.nn.functional.one_hot(y, 3)).square().sum(2).mean(1)
        return torch.stack([torch.nn.functional.cross_entropy(of_row, y) for of_row in logits])

    curve = Curve(kind, torch.cat([a.unsqueeze(1), bends, b.unsqueeze(1)], 1))
    losses, gradient = bend_gradient(architecture, curve, alphas, x, y, loss=loss)
    expected = loss_at(free := bends.clone().requires_grad_())
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(gradient, torch.autograd.grad(expected.sum(), free)[0])
    step = 1e-6 * torch.randn(bends.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    change = (loss_at(bends + step) - loss_at(bends - step)) / 2
    torch.testing.assert_close((gradient * step).sum((1, 2)), change, rtol=1e-5, atol=1e-12)


def test_an_update_is_that_of_torchs_sgd():
    """Two steps of one pair against torch.optim.SGD on the bend, with the same alphas and batches."""
    architecture = mlp((5,))
    a, b, (x, y) = rows(architecture, 1), rows(architecture, 1, seed=50), data(architecture, 12)
    found = train_curve(architecture, a, b, x, y, [3], steps=2, batch=12, lr=0.3, weight_decay=0.01)
    bend = ((a + b) / 2).requires_grad_()
    optimizer = torch.optim.SGD([bend], 0.3, momentum=0.9, weight_decay=0.01)
    for t in stream(3, "curve").random(2):
        theta = (1 - t) ** 2 * a + 2 * t * (1 - t) * bend + t**2 * b
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(architecture.logits(theta, x)[0], y).backward()
        optimizer.step()
    torch.testing.assert_close(found.curve.bends[:, 0], bend.detach(), rtol=1e-5, atol=1e-6)


def test_lengths():
    lengths = arc_lengths(Curve("polygon", torch.tensor([[[0.0, 0], [3, 4], [3, 16]]])), IN_ORDER)
    assert lengths[0].tolist() == pytest.approx([0, 2, 5, 5 + 0.8 * 12, 17])
    curve = bent("bezier", points=4, dtype=torch.float64)
    a, p, q, b = curve.points[1]

    def speed(t):
        return (3 * ((1 - t) ** 2 * (p - a) + 2 * t * (1 - t) * (q - p) + t**2 * (b - q))).norm().item()

    wanted = [quad(speed, 0, t, epsabs=1e-12)[0] for t in IN_ORDER.tolist()]
    assert arc_lengths(curve, IN_ORDER)[1].tolist() == pytest.approx(wanted, rel=1e-9)


@cache
def digits():
    """Four MLPs trained on half of digits, and that half."""
    pixels, labels = load_digits(return_X_y=True)
    x, y = torch.from_numpy(pixels[:900]).float() / 16, torch.from_numpy(labels[:900])
    sample = DataSet("toy/all/raw", {"train": x}, {"train": y}, 10, (64,), (0.0,), (1.0,), "checksum")
    networks = tuple(Network(seed, 0.1) for seed in range(4))
    run = recipe(model=named_mlp(16), networks=networks, steps=400, batch=50, checkpoints=(400,), chunk=4)
    theta = trained(run, sample).tensors["step/400/theta"]
    return mlp((16,), 64, 10), theta[:2], theta[2:], x, y


@pytest.mark.parametrize("kind", KINDS)
def test_trained_curves_are_lower_than_the_line(kind):
    architecture, a, b, x, y = digits()
    line = on_line(architecture, a, b, x, y, 9)
    found = train_curve(architecture, a, b, x, y, [0, 1], kind, steps=300, batch=50, lr=0.1)
    path = on_curve(architecture, found.curve, x, y, 9)
    over, under = barrier(line.losses, line.alphas), barrier(path.losses, path.alphas)
    assert (over > 0.5).all()
    assert (under < over / 4).all()
    assert torch.equal(path.losses[:, 0], line.losses[:, 0])
    assert torch.equal(path.errors[:, -1], line.errors[:, -1])
    assert (path.lengths[:, -1] > (b - a).norm(dim=1)).all()
    assert (found.losses[-50:].mean(0) < found.losses[:50].mean(0)).all()


def test_a_pair_does_not_know_its_neighbours():
    architecture, a, b, x, y = digits()
    both = train_curve(architecture, a, b, x, y, [5, 6], steps=20, batch=50)
    alone = train_curve(architecture, a[1:], b[1:], x, y, [6], steps=20, batch=50)
    assert torch.equal(both.curve.points[1:], alone.curve.points)
    assert torch.equal(both.losses[:, 1:], alone.losses)
    other = train_curve(architecture, a[1:], b[1:], x, y, [7], steps=20, batch=50)
    assert not torch.equal(other.losses, alone.losses)


def test_the_other_end_can_be_permuted():
    architecture = mlp((8, 7))
    a, (x, y) = rows(architecture, 2), data(architecture, 40)
    perms = table.random(table.group_sizes(architecture.layout, architecture.axes), [0, 1])
    b = table.permute(architecture.layout, architecture.axes, table.inverse(perms), a)
    found = train_curve(architecture, a, b, x, y, [0, 1], steps=0, batch=40, perms=perms)
    assert torch.equal(found.curve.points[:, -1], a)


def test_batch_norms_statistics_are_refreshed_along_the_curve():
    architecture = model("cnn, batch norm")
    a, b, (x, y) = rows(architecture, 2), rows(architecture, 2, seed=50), data(architecture, 24)
    found = train_curve(architecture, a, b, x, y, [0, 1], steps=2, batch=8)
    trained_columns = architecture.layout.trained
    assert not torch.equal(found.curve.bends, straight("bezier", a, b).bends)
    assert torch.equal(
        found.curve.bends[..., trained_columns:], straight("bezier", a, b).bends[..., trained_columns:]
    )
    path = on_curve(architecture, found.curve, x, y, 3, refresh=x, batch=8)
    for place, alpha in enumerate(path.alphas):
        theta = refreshed(architecture, found.curve.at(alpha.expand(2)), x, 8)
        losses, errors = evaluate(architecture, theta, x, y)
        torch.testing.assert_close(path.losses[:, place], losses)
        torch.testing.assert_close(path.errors[:, place], errors)
    with pytest.raises(ValueError, match="BatchNorm"):
        on_curve(architecture, found.curve, x, y)


def test_lazy_fleets_bend_around_their_own_start():
    """Where movement is 0 every logit is 0, and the loss is log 3."""
    architecture = mlp((8,))
    lazy = type(architecture)(**{**vars(architecture), "lazy": 100.0})
    theta, (x, y) = rows(architecture, 2), data(architecture, 40)
    path = on_curve(lazy, straight("bezier", theta, theta), x, y, 3, anchor=theta)
    torch.testing.assert_close(path.losses, torch.full((2, 3), 3.0, dtype=torch.float64).log())
    found = train_curve(lazy, theta, theta, x, y, [0, 1], steps=1, batch=40, anchor=theta)
    torch.testing.assert_close(found.losses, torch.full((1, 2), 3.0).log())


@pytest.mark.parametrize(("batch", "seeds", "words"), [
    (41, [0, 1], "wanted a batch of 1 to 40 examples, found 41"),
    (10, [0], "wanted a seed for each of 2 pairs, found 1"),
])  # fmt: skip
def test_what_training_cannot_do_is_refused(batch, seeds, words):
    architecture = mlp((8,))
    a, (x, y) = rows(architecture, 2), data(architecture, 40)
    with pytest.raises(ValueError, match=words):
        train_curve(architecture, a, a, x, y, seeds, batch=batch)

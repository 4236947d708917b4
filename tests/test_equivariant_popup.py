"""Edge-popup: its masks, its straight-through gradient; and the loop that trains rows, against plain PyTorch."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from isthmus.engine.batches import Batches
from isthmus.engine.recipe import Network as Row
from isthmus.equivariant import architectures, bases, popup
from isthmus.equivariant.equivariance import invariance_error
from isthmus.equivariant.network import Layer, Network
from isthmus.equivariant.training import Plan, fit

SMALL = Network((Layer(bases.trivial(), bases.trivial(), 2, 2),))
SCORES = torch.tensor([[0.5, -0.1, 0.3, -0.9]])
CASE = architectures.c4((1, 8, 8), [4, 4], 3)


def test_a_known_mask():
    assert popup.masks(SMALL, SCORES, 0.5).tolist() == [[True, False, False, True]]
    assert popup.masks(SMALL, SCORES, 1.0).all()


@pytest.mark.parametrize("kept", [0.05, 0.3, 0.5, 0.9])
def test_a_mask_keeps_its_share_of_each_layer(kept):
    mask = popup.masks(CASE.network, popup.initial_scores(CASE.network, [0, 1]), kept)
    for layer, size in zip(CASE.network.split(mask), CASE.network.sizes, strict=True):
        assert layer.flatten(1).sum(1).tolist() == [size - int((1 - kept) * size)] * 2


def test_all_kept_is_the_random_network_itself():
    weights = popup.random_weights(CASE.network, [0, 1], "normal", 1.0)
    scores = popup.initial_scores(CASE.network, [0, 1])
    assert torch.equal(popup.subnetworks(CASE.network, weights, scores, 1.0), weights)


def test_the_gradient_goes_straight_through_to_pruned_scores():
    """dL/d|s| = dL/dw w for every weight, kept or not; |s| passes the sign of s."""
    weights = torch.tensor([[2.0, 3.0, -1.0, 4.0]])
    scores, x = SCORES.clone().requires_grad_(), torch.tensor([[[1.0], [10.0]]])
    SMALL(popup.subnetworks(SMALL, weights, scores, 0.5), x).sum().backward()
    # The output is sum_qp w_qp m_qp x_p: dL/dm = w x.
    assert scores.grad.tolist() == [[2.0, -30.0, -1.0, -40.0]]


def test_training_scores_changes_masks_and_leaves_weights_alone():
    seeds, x = [0, 1], torch.rand((40, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    y = torch.arange(40) % 3
    weights, scores = (
        popup.random_weights(CASE.network, seeds, "signed", 0.5),
        popup.initial_scores(CASE.network, seeds),
    )
    before = weights.clone()

    def answer(rows, seen):
        return CASE.network.logits(popup.subnetworks(CASE.network, weights, rows, 0.5), seen)

    plan = Plan("sgd", 0.5, 5, 10, {"momentum": 0.9})
    trained = fit(answer, scores, CASE.see(x), y, seeds, plan)
    assert torch.equal(weights, before)
    masks = [popup.masks(CASE.network, rows, 0.5) for rows in (scores, trained)]
    assert (masks[0] != masks[1]).sum() > 10
    losses = [
        cross_entropy(answer(rows, CASE.see(x)).flatten(0, 1), y.repeat(2)).item() for rows in (scores, trained)
    ]
    assert losses[1] < losses[0]
    # A subnetwork in an equivariant basis is equivariant.
    rows = popup.subnetworks(CASE.network, weights, trained, 0.5)
    assert invariance_error(CASE.network, rows, CASE.see(x), CASE.moves).max() <= 1e-12


@pytest.mark.parametrize("kind", popup.WEIGHTS)
def test_random_weights_have_the_variance_of_their_law(kind):
    network = architectures.dense((1, 8, 8), [100], 10).network
    (first, _) = network.split(popup.random_weights(network, [0], kind, 0.5))
    assert first.square().mean().item() == pytest.approx(2 / (64 * 0.5), rel=0.05)
    assert (first.abs().unique().numel() == 1) == (kind == "signed")


def test_an_unknown_law_is_named():
    with pytest.raises(ValueError, match="wanted one of signed, normal, found 'other'"):
        popup.random_weights(SMALL, [0], "other", 0.5)


def test_rows_train_as_a_plain_loop_does():
    """One row at a time with torch's own optimizer, on the same batches."""
    seeds, network = [3, 4], CASE.network
    x = CASE.see(torch.rand((30, 1, 8, 8), generator=torch.Generator().manual_seed(1)))
    y = torch.arange(30) % 3
    begin = network.initial(seeds)
    plan = Plan("sgd", 0.1, 2, 10, {"momentum": 0.9, "weight_decay": 0.01}, ("warmup_cosine", {"warmup": 0}))
    trained = fit(network.logits, begin, x, y, seeds, plan)
    for row, seed in enumerate(seeds):
        theta = begin[row : row + 1].clone().requires_grad_()
        optimizer = torch.optim.SGD([theta], 0.1, momentum=0.9, weight_decay=0.01)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)
        batches = Batches([Row(seed, 0.1)], len(x), 10)
        for step in range(6):
            (chosen,) = batches.at(step)
            optimizer.zero_grad()
            cross_entropy(network.logits(theta, x[chosen])[0], y[chosen]).backward()
            optimizer.step()
            cosine.step()
        torch.testing.assert_close(trained[row : row + 1], theta.detach(), rtol=1e-4, atol=1e-6)
    alone = fit(network.logits, begin[1:], x, y, seeds[1:], plan)
    torch.testing.assert_close(alone, trained[1:], rtol=1e-4, atol=1e-6)

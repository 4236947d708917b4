"""Scores of examples by the numbers of the paper's sheet, and by plain loops over definitions."""

import numpy as np
import pytest
import torch
from networks import data, mlp, rows

from isthmus.difficulty import ensemble, forgetting, gradients, pointwise, representation
from isthmus.difficulty.online import Online
from isthmus.difficulty.trajectory import SCORES, Trajectory

P = np.array([0.7, 0.2, 0.1])
LOGITS = np.log(P) + 3.0


def of(score, label, logits=LOGITS):
    return score(logits[None], np.array([label])).item()


@pytest.mark.parametrize(
    ("score", "label", "wanted"),
    [
        (pointwise.el2n, 0, 0.374166),
        (pointwise.el2n, 1, 1.067708),
        (pointwise.margin, 0, 0.5),
        (pointwise.margin, 1, -0.5),
        (pointwise.loss, 0, 0.356675),
        (pointwise.confidence, 2, 0.1),
        (pointwise.accuracy, 0, 1.0),
        (pointwise.accuracy, 1, 0.0),
        (pointwise.logit_margin, 1, np.log(2 / 7)),
    ],
)
def test_scores_of_one_example_are_the_sheets(score, label, wanted):
    assert of(score, label) == pytest.approx(wanted, abs=5e-7)


def test_scores_without_a_label_are_the_sheets():
    assert pointwise.entropy(LOGITS[None]).item() == pytest.approx(0.801819, abs=5e-7)
    assert pointwise.max_confidence(LOGITS[None]).item() == pytest.approx(0.7)


def test_a_margin_of_logits_is_right_where_all_logits_are_negative():
    """The authors' mask multiplies the label's logit by 0, which would then be the largest of the "others"."""
    assert of(pointwise.logit_margin, 0, LOGITS - 10) == pytest.approx(np.log(7 / 2))


def test_nothing_overflows_and_el2n_has_its_bound():
    sure = np.array([1e4, 0.0, -1e4])
    assert of(pointwise.loss, 2, sure) == pytest.approx(2e4)
    assert of(pointwise.el2n, 2, sure) == pytest.approx(np.sqrt(2))
    assert pointwise.entropy(sure[None]).item() == 0


def test_leading_axes_are_free():
    logits = np.random.default_rng(0).standard_normal((2, 3, 5, 4))
    labels = np.arange(5) % 4
    for score in (pointwise.loss, pointwise.el2n, pointwise.margin, pointwise.logit_margin, pointwise.accuracy):
        whole = score(logits, labels)
        assert whole.shape == (2, 3, 5)
        assert np.array_equal(whole[1, 2], score(logits[1, 2], labels))
    for name, score in SCORES.items():
        whole = score(Trajectory(logits, labels))
        np.testing.assert_allclose(whole[1], score(Trajectory(logits[1], labels)), err_msg=name)


# c_1 ... c_7: forgetting events, first learned, learned for good, unforgettable.
SEQUENCES = {
    "1010101": (3, 0, 6, False),
    "0101010": (3, 1, 7, False),
    "1111111": (0, 0, 0, True),
    "0000000": (np.inf, 7, 7, False),
    "0111111": (0, 1, 1, True),
}


def sequence(text):
    return np.array([[c == "1"] for c in text])


@pytest.mark.parametrize("text", SEQUENCES)
def test_the_forgetting_family_is_the_sheets(text):
    correct = sequence(text)
    found = (forgetting.forgetting_events, forgetting.first_learn, forgetting.learned, forgetting.unforgettable)
    assert tuple(score(correct).item() for score in found) == SEQUENCES[text]


def test_roles_exchanged():
    """After 1 1 0 1 0 0: first wrong at 2, wrong for good from 4 on; never wrong, never for good."""
    correct = sequence("110100")
    assert (forgetting.first_forget(correct).item(), forgetting.first_unlearnable(correct).item()) == (2, 4)
    always = sequence("111111")
    assert (forgetting.first_forget(always).item(), forgetting.first_unlearnable(always).item()) == (6, 6)


def random_correct(times=9, examples=200):
    return np.random.default_rng(1).random((times, examples)) < np.linspace(0.05, 0.95, examples)


def test_learning_and_forgetting_alternate():
    correct = random_correct()
    events = forgetting.forgetting_events(correct)
    learned = ~forgetting.never_learned(correct)
    assert 0 < (~learned).sum() < len(learned)
    assert np.isin(forgetting.learning_events(correct)[learned] - events[learned], (0, 1)).all()


def test_one_checkpoint_at_a_time_is_all_at_once():
    correct = random_correct()
    online = Online(correct.shape[1])
    for of_step in correct:
        online.see(of_step)
    for name in ("forgetting_events", "first_learn", "learned"):
        assert np.array_equal(getattr(online, name), getattr(forgetting, name)(correct)), name


def test_minibatches_count_the_checkpoints_of_each_example():
    """Batch forgetting: each example is seen once an epoch, at some update or other."""
    correct, rng = random_correct(), np.random.default_rng(2)
    online = Online(correct.shape[1])
    for of_epoch in correct:
        for places in rng.permutation(correct.shape[1]).reshape(20, -1):
            online.see(of_epoch[places], places)
    assert np.array_equal(online.forgetting_events, forgetting.forgetting_events(correct))
    assert np.array_equal(online.learned, forgetting.learned(correct))


def test_variance_of_gradients_is_the_sheets():
    pixels = np.array([1.0, 2.0, 4.0]).reshape(3, 1, 1, 1)
    assert gradients.variance_of_gradients(pixels).item() == pytest.approx(2.333333, abs=5e-7)
    assert gradients.variance_of_gradients(pixels, original=True).item() == pytest.approx(1.247219, abs=5e-7)
    still = np.broadcast_to(np.random.default_rng(0).standard_normal((4, 3, 6)), (5, 4, 3, 6))
    assert gradients.variance_of_gradients(still).max() < 1e-30


def test_channels_are_averaged_before_the_variance():
    """Two channels that move against each other leave nothing."""
    one = np.array([1.0, 2.0, 4.0]).reshape(3, 1, 1, 1)
    assert gradients.variance_of_gradients(np.concatenate([one, -one], axis=2)).item() == 0


@pytest.mark.parametrize("kind", ["probability", "loss", "logit"])
def test_pixel_gradients_are_differences(kind):
    architecture = mlp((7, 5), activation="tanh")
    theta, (x, y) = rows(architecture, 2).double(), data(architecture, 4)
    x = x.double()

    def value(inputs):
        logits = architecture.logits(theta, inputs)
        chosen = {"logit": logits, "probability": logits.softmax(-1), "loss": -logits.log_softmax(-1)}[kind]
        return chosen.gather(-1, y.expand(2, 4).unsqueeze(-1)).squeeze(-1)

    found, step = gradients.pixel_gradients(architecture, theta, x, y, kind), 1e-5
    for pixel in range(6):
        ahead, behind = x.clone(), x.clone()
        ahead[:, pixel] += step
        behind[:, pixel] -= step
        wanted = (value(ahead) - value(behind)) / (2 * step)
        torch.testing.assert_close(found[..., pixel], wanted, rtol=1e-6, atol=1e-8)


def test_standard_scores_within_a_class_have_mean_zero_there():
    scores, labels = np.random.default_rng(0).exponential(size=(2, 60)), np.arange(60) % 3
    found = gradients.within_class(scores, labels)
    for label in range(3):
        assert found[:, labels == label].mean(axis=1) == pytest.approx([0, 0], abs=1e-12)
        assert found[:, labels == label].std(axis=1) == pytest.approx([1, 1])


def test_prediction_depth_is_the_sheets():
    """All layers right: 0. Only the last of L: L - 1. The last wrong: L."""
    matches = np.array([[1, 1, 1, 1], [0, 0, 0, 1], [1, 1, 1, 0], [0, 1, 0, 1]], dtype=bool).T
    assert representation.prediction_depth(matches).tolist() == [0, 3, 4, 3]


def test_neighbours_of_separate_groups_are_their_own():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    features = 10 * np.eye(3)[labels] + rng.standard_normal((90, 3))
    assert np.array_equal(representation.neighbour_labels(features, labels), labels)
    # An example that lies among another class is outvoted there, though it is its own neighbour.
    stray = labels.copy()
    stray[0] = 1
    assert representation.neighbour_labels(features, stray)[0] == 0
    assert representation.neighbour_labels(features, labels, queries=10 * np.eye(3)[[2]]).tolist() == [2]


def test_prototypes_are_class_means_and_nearest_centres():
    features, labels = np.array([[0.0, 0], [2, 0], [10, 1], [10, 5]]), np.array([0, 0, 1, 1])
    assert representation.prototype_distance(features, labels).tolist() == [1, 1, 2, 2]
    assert representation.cluster_distance(features, 2) == pytest.approx([1, 1, 2, 2])
    assert representation.cluster_distance(features, 30) == pytest.approx([0, 0, 0, 0])


def test_agreement_is_the_sheets_and_has_its_bound():
    pair = np.array([[[0.7, 0.2, 0.1]], [[0.1, 0.8, 0.1]]])
    assert ensemble.agreement(pair).item() == pytest.approx(0.222923, abs=5e-7)
    assert ensemble.agreement(pair[[0, 0]]).item() == pytest.approx(0, abs=1e-15)
    assert ensemble.agreement(np.eye(2)[:, None]).item() == pytest.approx(np.log(2))
    three = np.concatenate([pair, pair[:1]])
    assert ensemble.agreement(three).item() == pytest.approx(2 / 3 * 0.222923, abs=5e-7)
    with pytest.raises(ValueError, match="at least two networks, found 1"):
        ensemble.agreement(pair[:1])


def test_votes():
    predictions = np.array([[2, 1, 0], [2, 0, 1], [1, 2, 2]])
    assert ensemble.consensus(predictions, 3).tolist() == [2, 0, 0]
    correct = np.array([[1, 0, 1], [1, 0, 0]], dtype=bool)
    assert ensemble.dichotomous(correct).tolist() == [1, -1, 0]
    assert ensemble.entropy_of_mean(np.eye(2)[:, None]).item() == pytest.approx(np.log(2))


def test_c_score_and_memorisation_count_the_networks_that_held_an_example_out():
    correct = np.array([[1, 1, 0], [0, 1, 1], [0, 1, 1], [1, 0, 1]], dtype=bool)
    held_out = np.array([[0, 1, 0], [1, 0, 0], [1, 1, 0], [1, 0, 0]], dtype=bool)
    np.testing.assert_allclose(ensemble.c_score(correct, held_out), [1 / 3, 1, np.nan])
    np.testing.assert_allclose(ensemble.memorisation(correct, held_out), [1 - 1 / 3, 1 / 2 - 1, np.nan])

"""Augmentation: what is drawn has the chances that it should and depends on (seed, order, step) alone; what is done
to images is what torchvision, numpy and scipy do."""

from dataclasses import replace
from math import degrees, pi

import numpy as np
import pytest
import torch
from scipy import ndimage
from test_engine_groups import GROUPINGS, assert_same_bits, rows_by_network
from torch.nn import functional
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import hflip, rotate
from training import NETWORKS, dataset, images, recipe, trained

from isthmus.engine import architecture, serial
from isthmus.engine.augment import augment, draws
from isthmus.engine.batches import Batches
from isthmus.engine.recipe import Named, Network
from isthmus.engine.start import Start
from isthmus.engine.train import Trainer
from isthmus.errors import UserError

NETWORK = Network(3, 0.1)
EVERYTHING = {"flip": True, "crop": 2, "translate": 1, "rotate": 15.0}


def pictures(*shape):
    """Images (1, N, C, H, W) of one network."""
    return torch.randn((1, *shape), generator=torch.Generator().manual_seed(0))


def moves(kind, *by):
    """Draws of one network that move its images by (rows, columns)."""
    return {kind: torch.tensor([by])}


def test_every_second_image_is_flipped():
    flips = draws({"flip": True}, [NETWORK], 0, 10_000)["flip"]
    # Four standard errors of a fair coin.
    assert abs(flips.double().mean() - 0.5) < 4 * 0.5 / 100


@pytest.mark.parametrize("kind", ["crop", "translate"])
def test_every_shift_within_bounds_comes_as_often_as_any_other(kind):
    by = draws({kind: 2}, [NETWORK], 0, 10_000)[kind][0]
    places, counts = by.unique(dim=0, return_counts=True)
    assert places.tolist() == [[i, j] for i in range(-2, 3) for j in range(-2, 3)]
    assert ((counts - 400).abs() < 5 * 400**0.5).all()


def test_angles_fill_their_range_evenly():
    angles = draws({"rotate": 30.0}, [NETWORK], 0, 10_000)["rotate"][0] * 180 / pi
    assert angles.abs().max() <= 30
    assert angles.abs().max() > 29.9
    assert abs(angles.mean()) < 4 * 30 / 3**0.5 / 100
    assert angles.std().item() == pytest.approx(30 / 3**0.5, rel=0.03)


def test_draws_belong_to_seed_order_and_step():
    networks = [NETWORK, replace(NETWORK, lr=0.2), Network(3, 0.1, 1), Network(4, 0.1)]
    first, again, later = (draws(EVERYTHING, networks, step, 8) for step in (5, 5, 6))
    for kind in EVERYTHING:
        assert torch.equal(first[kind], again[kind])
        assert torch.equal(first[kind][0], first[kind][1])
        rows = [first[kind][0], first[kind][2], first[kind][3], later[kind][0]]
        assert not any(torch.equal(a, b) for i, a in enumerate(rows) for b in rows[:i])
        assert torch.equal(draws({kind: EVERYTHING[kind]}, networks[::-1], 5, 8)[kind].flip(0), first[kind])


def test_a_flip_is_torchvisions():
    x = pictures(2, 3, 4, 5)
    found = augment(x, {"flip": torch.tensor([[True, False]])})[0]
    assert torch.equal(found, torch.stack([hflip(x[0, 0]), x[0, 1]]))


@pytest.mark.parametrize("by", [(0, 0), (2, -1), (-2, 2), (1, 0), (4, 5), (-9, 9)])
def test_a_crop_is_a_window_of_the_image_padded_by_zeros(by):
    x = pictures(1, 2, 4, 5)
    padded = np.pad(x[0, 0].numpy(), ((0, 0), (9, 9), (9, 9)))
    wanted = padded[:, 9 + by[0] : 13 + by[0], 9 + by[1] : 14 + by[1]]
    assert np.array_equal(augment(x, moves("crop", by))[0, 0], wanted)


@pytest.mark.parametrize("by", [(0, 0), (2, -1), (-3, 4), (1, 0), (4, 5), (-9, 9)])
@pytest.mark.parametrize("shape", [(4, 5), (1, 6)], ids=str)
def test_a_translation_is_a_window_of_the_image_and_its_mirrors(by, shape):
    """As numpy's `reflect`: the border itself is not repeated."""
    x = pictures(1, 2, *shape)
    padded = np.pad(x[0, 0].numpy(), ((0, 0), (9, 9), (9, 9)), mode="reflect")
    wanted = padded[:, 9 + by[0] : 9 + by[0] + shape[0], 9 + by[1] : 9 + by[1] + shape[1]]
    assert np.array_equal(augment(x, moves("translate", by))[0, 0], wanted)


@pytest.mark.parametrize("angle", [0.0, 10.0, -33.3, 90.0, 180.0])
@pytest.mark.parametrize("shape", [(8, 8), (5, 9)], ids=str)
def test_a_turn_is_torchvisions(shape, angle):
    """In degrees counter-clockwise about the middle, bilinear, zeros from outside; square or not."""
    x = pictures(2, 3, *shape)
    found = augment(x, {"rotate": torch.full((1, 2), angle * pi / 180)})[0]
    torch.testing.assert_close(found, rotate(x[0], angle, InterpolationMode.BILINEAR), rtol=0, atol=2e-5)


def test_a_turn_of_a_smooth_image_is_scipys():
    """Inside, where both see the whole neighbourhood: they treat what lies half outside each in its own way."""
    grid = np.linspace(-2, 2, 24)
    image = np.exp(-((grid[:, None] - 0.4) ** 2) - 0.5 * grid[None] ** 2).astype(np.float32)
    found = augment(torch.from_numpy(image)[None, None, None], {"rotate": torch.tensor([[0.3]])})[0, 0, 0]
    wanted = ndimage.rotate(image, degrees(0.3), reshape=False, order=1)
    np.testing.assert_allclose(found[5:-5, 5:-5], wanted[5:-5, 5:-5], atol=1e-5)


def test_each_image_is_changed_by_its_own_draw():
    x = pictures(3, 1, 4, 4).expand(2, -1, -1, -1, -1)
    drawn = {"translate": torch.tensor([[[0, 0], [1, 0], [0, 1]], [[2, 2], [0, 0], [1, 1]]])}
    found = augment(x, drawn)
    for row in range(2):
        for i in range(3):
            alone = augment(x[row : row + 1, i : i + 1], moves("translate", drawn["translate"][row, i].tolist()))
            assert torch.equal(found[row, i], alone[0, 0])


def test_changes_are_made_in_the_order_that_is_stated():
    """Turned, moved, cropped, flipped."""
    x = pictures(2, 1, 6, 6)
    drawn = draws(EVERYTHING, [NETWORK], 0, 2)
    stepwise = x
    for kind in ("rotate", "translate", "crop", "flip"):
        stepwise = augment(stepwise, {kind: drawn[kind]})
    assert torch.equal(augment(x, drawn), stepwise)


@pytest.mark.parametrize("settings", [{}, {"crop": 0}, {"translate": 0}])
def test_nothing_asked_for_changes_no_bit(settings):
    x = pictures(8, 2, 5, 7)
    assert torch.equal(augment(x, draws(settings, [NETWORK], 0, 8)), x)


def test_no_degrees_turn_nothing():
    x = pictures(8, 2, 5, 7)
    torch.testing.assert_close(augment(x, draws({"rotate": 0.0}, [NETWORK], 0, 8)), x, rtol=0, atol=1e-5)


def test_data_that_are_no_images_are_refused_in_one_line():
    with pytest.raises(UserError) as error:
        trained(recipe(augment={"flip": True}), dataset())
    assert str(error.value) == "study.yaml, augment: wanted data of images, found inputs of shape (6,)"


def test_an_unknown_kind_is_refused():
    wanted = r"^study\.yaml, augment: wanted one of flip, crop, translate, rotate, found 'blur'$"
    with pytest.raises(UserError, match=wanted):
        trained(recipe(augment={"blur": 1}), images())


def augmented(**changes):
    return recipe(augment=EVERYTHING, **changes)


@pytest.mark.parametrize("changes", [{}, {"lazy": 100.0}], ids=str)
def test_a_fleet_on_augmented_images_is_the_oracle_to_rounding_and_itself_in_other_groups(changes, monkeypatch):
    run, data = augmented(**changes), images()
    together = rows_by_network(run, data, [NETWORKS])
    for groups in GROUPINGS.values():
        assert_same_bits(rows_by_network(run, data, groups), together)
    start = Trainer(run, NETWORKS, data).start().tensors["theta"]
    for row, network in enumerate(NETWORKS):
        theta = together[network]["theta"]
        share = (theta - serial.train(run, network, data)).norm() / (theta - start[row]).norm()
        assert share < (1e-4 if run.lazy is None else 1e-3)
    monkeypatch.setattr(architecture, "_BLOCK", {"cpu": 1})
    assert_same_bits(rows_by_network(run, data, [NETWORKS]), together)


def test_augmentation_makes_another_network():
    ends = [trained(recipe(augment=settings), images()).tensors["theta"] for settings in ({}, EVERYTHING)]
    assert not torch.isclose(*ends).all(dim=1).any()


def test_training_that_goes_on_later_sees_the_same_images():
    run, data = augmented(networks=NETWORKS[6:], optimizer=Named("sgd")), images()
    whole = trained(run, data).tensors
    later = Trainer(run, run.networks, data, Start(5, whole["step/5/theta"]))
    assert torch.equal(later.run(later.start()).tensors["theta"], whole["theta"])


def test_a_batch_is_augmented_anew_and_the_data_stay_as_they_are():
    run, data = augmented(networks=(NETWORK,), checkpoints=(0, 5, 12)), images()
    before = data.inputs["train"].clone()
    tensors, batches = trained(run, data).tensors, Batches([NETWORK], 40, run.batch)
    for step in (0, 5):
        chosen = batches.at(step)
        x = augment(before[chosen], draws(EVERYTHING, [NETWORK], step, run.batch))
        logits = Trainer(run, run.networks, data).architecture.logits(tensors[f"step/{step}/theta"], x)
        wanted = functional.cross_entropy(logits[0], data.labels["train"][chosen[0]])
        torch.testing.assert_close(tensors["probe/loss"][0, step], wanted)
    assert torch.equal(data.inputs["train"], before)

"""Embedded sets and prepared files: named draws, pinned content, equal bytes, clear refusals."""

import random
from functools import cache

import numpy as np
import pytest
import torch
from data_files import write_register
from safetensors.torch import save_file

from isthmus import tensors
from isthmus.data import embedded, examples, prepared, register
from isthmus.data.prepare import prepare
from isthmus.errors import UserError

EMBEDDED = [
    f"{name}/{split}/{scaling}"
    for name in ("digits", "mnist1d")
    for split in register.entry(name).splits
    for scaling in register.entry(name).scalings
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The prepared set of a key, made once."""
    folder = tmp_path_factory.mktemp("prepared")

    @cache
    def make(key):
        prepare(key, folder / key, None)
        return prepared.load(folder / key)

    return make


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A function that makes another project root whose register is changed by a function of its sets."""

    def make(change):
        write_register(tmp_path / "project", change)
        monkeypatch.setenv("ISTHMUS_ROOT", str(tmp_path / "project"))

    return make


@pytest.mark.parametrize("key", EMBEDDED)
def test_embedded_sets_are_what_the_register_says(key, made):
    data = made(key)
    entry = register.entry(register.parse(key).set)
    assert {part: len(labels) for part, labels in data.labels.items()} == register.sizes(key)
    assert (data.key, data.shape, data.classes) == (key, entry.shape, entry.classes)
    for part, labels in data.labels.items():
        assert data.inputs[part].shape == (len(labels), *entry.shape)
        assert set(labels.tolist()) == set(range(entry.classes))
    assert data.checksum == register.content_checksum(key, None)


def test_two_prepares_give_the_same_bytes(tmp_path):
    for key in ("digits/draw-1000/standard", "mnist1d/draw-1000/raw"):
        files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
        for file in files:
            prepare(key, file, None)
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("name", ["digits", "mnist1d"])
def test_draws_differ_and_selection_never_sees_the_test_part(name, made):
    scaling = {"digits": "unit", "mnist1d": "raw"}[name]
    pilot, draw, selection = (
        made(f"{name}/{split}/{scaling}") for split in ("pilot", "draw-1000", "selection-1000")
    )
    assert not torch.equal(pilot.inputs["train"], draw.inputs["train"])
    assert torch.equal(draw.inputs["test"], selection.inputs["test"])
    joined = torch.cat([selection.inputs["train"], selection.inputs["validation"]])
    assert torch.equal(joined, draw.inputs["train"])


def test_digits_are_scikit_learns(made):
    from sklearn.datasets import load_digits

    data = made("digits/pilot/unit")
    pixels = torch.cat([data.inputs["train"], data.inputs["test"]]).reshape(-1, 64)
    labels = torch.cat([data.labels["train"], data.labels["test"]])
    rows = sorted(zip((pixels * 16).int().tolist(), labels.tolist(), strict=True))
    digits = load_digits()
    assert rows == sorted(zip(digits.data.astype(int).tolist(), digits.target.tolist(), strict=True))


def test_standard_scaling_uses_the_training_part_only(made):
    for name, raw in (("digits", "unit"), ("mnist1d", "raw")):
        scaled, plain = (made(f"{name}/draw-1000/{scaling}") for scaling in ("standard", raw))
        train = scaled.inputs["train"].double()
        assert abs(train.mean()) < 1e-7
        assert abs(train.std(correction=0) - 1) < 1e-7
        for part in ("train", "test"):
            content = plain.inputs[part].double() * plain.std[0] + plain.mean[0]
            torch.testing.assert_close(
                scaled.inputs[part].double() * scaled.std[0] + scaled.mean[0], content, rtol=1e-6, atol=1e-6
            )


def test_mnist1d_is_its_generators_and_leaves_the_global_random_states_alone():
    from mnist1d.data import get_dataset_args, make_dataset

    np.random.seed(5)
    random.seed(5)
    before = np.random.get_state()[1].tolist(), random.getstate()
    pool = embedded.read("mnist1d", register.split("mnist1d/pilot/raw"))["all"]
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before
    official = make_dataset(get_dataset_args())
    np.testing.assert_allclose(pool.inputs[:4000], official["x"], rtol=0, atol=5.1e-7)
    assert pool.labels[4000:].tolist() == official["y_test"].tolist()


def test_permutation_is_pinned():
    assert examples.permutation(1000, 8).tolist() == [3, 0, 5, 6, 4, 7, 2, 1]
    assert sorted(examples.permutation(3, 100)) == list(range(100))


def test_moments_of_integers_equal_those_of_floats():
    values = np.random.Generator(np.random.Philox(1)).integers(0, 256, (300, 3, 4, 4), dtype=np.uint8)
    scaling = register.Scaling(fit="channel")
    mean, std = examples.moments(scaling, values)
    assert (mean, std) == examples.moments(scaling, values.astype(float))
    np.testing.assert_allclose(mean, values.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, values.std((0, 2, 3)), rtol=1e-12)
    normal = examples.scaled(values, mean, std)
    np.testing.assert_allclose(normal.mean((0, 2, 3), dtype=float), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entry: entry.update(checksum="0" * 64), "wanted content with checksum 0{64}, found 3f7d481c"),
        (lambda entry: entry.pop("checksum"), "sets.digits: wanted a checksum for split pilot"),
        (lambda entry: entry["splits"]["pilot"]["sizes"].update(train=1600), "wanted 1897 examples .*found 1797"),
        (lambda entry: entry.update(shape=[64]), r"wanted inputs of shape \(64,\), found \(1, 8, 8\)"),
        (lambda entry: entry.update(classes=9), "row 9: wanted a label from 0 to 8, found 9"),
    ],
)
def test_content_that_is_not_the_registers_leaves_no_file(change, message, project, tmp_path):
    project(lambda sets: change(sets["digits"]))
    with pytest.raises(UserError, match=message):
        prepare("digits/pilot/unit", tmp_path / "out" / "set.safetensors", None)
    assert not (tmp_path / "out").exists()


def test_an_embedded_set_has_no_place(tmp_path):
    with pytest.raises(UserError, match=r"config data\.digits: wanted no place"):
        prepare("digits/pilot/unit", tmp_path / "set.safetensors", str(tmp_path))


def test_a_prepared_file_that_does_not_fit_its_header_is_refused(tmp_path):
    file = tmp_path / "set.safetensors"
    prepare("digits/pilot/unit", file, None)
    content, (found, header) = file.read_bytes(), tensors.load(file)

    file.write_bytes(content[:-100])
    with pytest.raises(UserError, match=r"set.safetensors: wanted an intact safetensors file"):
        prepared.load(file)
    save_file(found, file)
    with pytest.raises(UserError, match="safetensors without its header"):
        prepared.load(file)
    tensors.save(file, found, {"recipe": {}})
    with pytest.raises(UserError, match="wanted a prepared data set, found a header without 'checksum'"):
        prepared.load(file)
    tensors.save(file, found, {**header, "counts": {"train": 1500, "test": 298}})
    with pytest.raises(UserError, match=r"test/inputs: wanted .*298"):
        prepared.load(file)
    tensors.save(file, {name: found[name] for name in found if name != "test/labels"}, header)
    with pytest.raises(UserError, match=r"test/labels: wanted .*found None"):
        prepared.load(file)
    tensors.save(file, found, {**header, "classes": 5})
    with pytest.raises(UserError, match="train/labels: wanted labels from 0 to 4"):
        prepared.load(file)

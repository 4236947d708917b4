"""A fleet read back from its chunks: the same rows in the recipe's order, and no file of anything else."""

import pytest
import torch
from training import NETWORKS, STEPS, Steps, dataset, recipe, trained

from isthmus.engine.checkpoints import train_chunk
from isthmus.engine.fleet import Fleet
from isthmus.errors import UserError


def chunks(run, data, folder):
    """The recipe's chunk files in a folder."""
    paths = [folder / f"chunk-{index:03d}.safetensors" for index in range(len(run.chunks))]
    for index, path in enumerate(paths):
        train_chunk(run, index, data, path, folder / "save", "code", Steps())
    return paths


@pytest.mark.parametrize("chunk", [1, 3, 8, 100])
def test_a_fleet_is_its_networks_however_it_was_cut(chunk, tmp_path):
    run, data = recipe(chunk=chunk), dataset()
    fleet = Fleet.load(chunks(run, data, tmp_path), run, data)
    wanted = trained(run, data).tensors
    assert fleet.networks == NETWORKS
    assert fleet.thetas.keys() == {*run.checkpoints}
    for step, theta in fleet.thetas.items():
        assert torch.equal(theta, wanted[f"step/{step}/theta"])
    assert torch.equal(fleet.final, wanted["theta"])
    assert torch.equal(fleet.loss, wanted["probe/loss"])
    assert fleet.loss.shape == (len(NETWORKS), STEPS)
    assert fleet.changed.tolist() == wanted["probe/changed"].tolist()
    assert torch.equal(fleet.initial()[0], fleet.thetas[0][0])


def test_only_a_fleet_in_the_kernel_regime_has_an_anchor(tmp_path):
    data = dataset()
    for setting, lazy in (("standard", False), ("kernel regime", True)):
        run = recipe(setting)
        fleet = Fleet.load(chunks(run, data, tmp_path), run, data)
        anchor = fleet.anchor([6, 2])
        assert torch.equal(anchor, fleet.initial()[[6, 2]]) if lazy else anchor is None


def test_the_kernel_regime_starts_at_zero_output():
    run, data = recipe("kernel regime"), dataset()
    first = trained(run, data).tensors["probe/loss"][:, 0]
    untouched = [row for row, n in enumerate(NETWORKS) if n.perturbation is None or n.perturbation.at > 0]
    torch.testing.assert_close(first[untouched], torch.full((len(untouched),), 3.0).log())


def faulty(name, run, data, paths, folder):
    """What is wrong with the first chunk file, or with what it is asked for."""
    if name == "another recipe":
        chunks(recipe(chunk=4, batch=4), data, folder)
    if name == "another chunk":
        paths[0].write_bytes(paths[1].read_bytes())
    if name == "other data":
        return run, dataset(seed=1)
    if name == "truncated":
        paths[0].write_bytes(paths[0].read_bytes()[:-10])
    if name == "empty":
        paths[0].write_bytes(b"")
    if name == "missing":
        paths[0].unlink()
    return run, data


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("another recipe", "wanted rows 0 to 4 of this recipe, found another recipe's"),
        ("another chunk", "wanted rows 0 to 4 of this recipe, found"),
        ("other data", "wanted networks trained on toy/all/raw as it is now, found another content's"),
        ("truncated", "wanted an intact safetensors file, found none"),
        ("empty", "wanted an intact safetensors file, found none"),
        ("missing", "wanted an intact safetensors file, found none (No such file"),
    ],
)
def test_a_file_of_something_else_is_refused_in_one_line(name, wanted, tmp_path):
    run, data = recipe(chunk=4), dataset()
    paths = chunks(run, data, tmp_path)
    given = faulty(name, run, data, paths, tmp_path)
    with pytest.raises(UserError) as error:
        Fleet.load(paths, *given)
    assert str(error.value).startswith(f"{paths[0]}: {wanted}")
    assert "\n" not in str(error.value)

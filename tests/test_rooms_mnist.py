"""The paper's own setting of ot_lmc, on real images where there are some, for a few steps at its real width."""

import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from data_files import parquet_folder, write_register
from training import Steps

from isthmus import paths, rooms
from isthmus.data import prepared
from isthmus.data.prepare import prepare
from isthmus.engine import serial
from isthmus.engine.checkpoints import train_chunk
from isthmus.engine.fleet import Fleet
from isthmus.papers.ot_lmc import measure

SIZES = {"train": 1500, "test": 300}
STEPS = 3
METHODS = ["none", "naive", "informed", "activation"]


def some_images(folder: Path) -> None:
    """The first examples of MNIST in parquet files; random ones where ISTHMUS_TEST_DATA names no folder."""
    given = os.environ.get("ISTHMUS_TEST_DATA")
    if given is None:
        parquet_folder(folder, SIZES)
        return
    folder.mkdir()
    for part, count in SIZES.items():
        batches = pq.ParquetFile(Path(given).resolve() / "mnist" / f"{part}.parquet").iter_batches(count)
        pq.write_table(pa.Table.from_batches([next(batches)]), folder / f"{part}.parquet")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Two networks of the recipe at its highest rate, after three of its steps."""
    recipe = rooms.load("ot_lmc", "mnist").runs["main"].recipe
    pair = tuple(network for network in recipe.networks if network.lr == 0.1)[:2]
    run = replace(recipe, networks=pair, chunk=2, steps=STEPS, checkpoints=(0, STEPS))
    root = tmp_path_factory.mktemp("root")
    some_images(root / "mnist")
    write_register(root, lambda sets: sets["mnist"]["splits"]["full"].update(sizes=SIZES))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISTHMUS_ROOT", str(root))
        path = root / paths.prepared(recipe.data)
        prepare(recipe.data, path, str(root / "mnist"))
        data, chunk = prepared.load(path), root / "chunk.safetensors"
        train_chunk(run, 0, data, chunk, root / "save", "code", Steps())
        yield Fleet.load([chunk], run, data)


def test_the_recipe_is_the_papers():
    room = rooms.load("ot_lmc", "mnist")
    recipe = room.runs["main"].recipe
    assert room.paper_setting
    assert recipe.data == "mnist/full/unit"
    assert recipe.model.settings["widths"] == (512, 512, 512)
    assert (recipe.batch, recipe.steps) == (500, 50 * 120)
    rates = sorted({network.lr for network in recipe.networks})
    assert rates == [0.0001, 0.000398, 0.00158, 0.00631, 0.0251, 0.1]
    assert len(recipe.networks) == len(rates) * 2 * 4
    assert set(room.tables) == set(rooms.load("ot_lmc", "laptop").tables)


def test_the_networks_are_the_oracles(fleet):
    assert fleet.final.shape == (2, 784 * 512 + 2 * 512 * 512 + 512 * 10 + 3 * 512 + 10)
    for row, network in enumerate(fleet.networks):
        oracle = serial.train(fleet.recipe, network, fleet.data)
        torch.testing.assert_close(fleet.final[row], oracle, rtol=1e-3, atol=1e-5)
    assert (fleet.final - fleet.thetas[0]).norm(dim=1).min() > 0.01
    assert fleet.diverged_at.tolist() == [-1, -1]


def test_it_is_measured_like_any_other_scale(fleet):
    settings = {"points": 3, "methods": METHODS, "train_methods": []}
    progress = Steps()
    table = measure.matching({"main": fleet}, settings, progress)
    assert progress.taken == progress.total == len(METHODS)
    assert table["method"].tolist() == METHODS
    assert (table["barrier"] >= 0).all()
    assert table["endpoints"].std() < 1e-5
    # The informed metric sees few directions of the images, the naive one all of them.
    dimension = table.set_index("method")["dimension"]
    assert 1 <= dimension["informed"] < dimension["naive"]

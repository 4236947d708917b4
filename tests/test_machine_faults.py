"""What a machine does to a build: each fault is told, nothing finished is lost, and, once mended, the same command
ends with the bits of a build to which nothing happened."""

import os
import re
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from checkouts import Checkout
from data_files import SMALL, parquet_folder, write_register
from disks import mounted

FIGURE = "figures/norm_by_seed.svg"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A checkout in which the toy room was built and nothing happened."""
    checkout = Checkout.make(tmp_path_factory.mktemp("whole"))
    checkout.must("snakemake", "toy", "--cores", "2", "--quiet")
    return checkout


def results(checkout):
    """Path -> content of every result but the record of their making."""
    folder = checkout.result("")
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "provenance.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@contextmanager
def full_disk(checkout):
    """No room for tables."""
    with mounted(checkout.result("tables")) as disk:
        disk.fill()
        yield


@contextmanager
def no_room_for_fleets(checkout):
    """No room for trained networks."""
    with mounted(checkout.result("runs/sgd")) as disk:
        disk.fill()
        yield


# Fault -> what the build says; which results are there all the same.
FAULTS = {
    full_disk: ("No space left on device", {"runs/sgd/chunk-000.safetensors", "runs/sgd/chunk-001.safetensors"}),
    no_room_for_fleets: ("No space left on device", {"runs/adam/chunk-000.safetensors", "tables/adam_norms.csv"}),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_of_the_disk(fault, whole, tmp_path):
    checkout, (says, there) = Checkout.make(tmp_path), FAULTS[fault]
    with fault(checkout):
        done = checkout.snakemake("toy")
        assert done.returncode != 0
        assert says in done.stdout
        assert "Traceback" not in done.stdout
        found = results(checkout)
        assert there <= found.keys()
        assert all(content == results(whole)[path] for path, content in found.items() if "filler" not in path)
    checkout.must("snakemake", "toy", "--cores", "2", "--quiet")
    assert results(checkout) == results(whole)


@pytest.mark.parametrize("where", ["", "tables"])
def test_results_on_a_read_only_mount_are_refused_before_anything_is_removed(where, whole, tmp_path):
    """Snakemake would end with a traceback where it removes an old output."""
    checkout = Checkout.make(tmp_path)
    with mounted(checkout.result(where), "8m") as disk:
        checkout.must("snakemake", "toy", "--cores", "2", "--quiet")
        disk.become("ro")
        done = checkout.snakemake("toy", "--forceall")
        assert done.returncode != 0
        assert f"{checkout.result(where).relative_to(checkout.root)}: wanted a folder that this user" in done.stdout
        assert "Traceback" not in done.stdout
        assert results(checkout) == results(whole)
        disk.become("rw")
        checkout.must("snakemake", "toy", "--forceall", "--cores", "2", "--quiet")
        assert results(checkout) == results(whole)


def test_a_clock_that_went_back(whole, tmp_path):
    """What was written before is a day ahead. Content decides, not times: nothing is built anew. But Snakemake
    takes no output older than its input, and says so; what the documents say to do mends it."""
    shutil.copytree(whole.root, tmp_path / "copy")
    checkout = Checkout(tmp_path / "copy")
    ahead = time.time() + 24 * 3600
    for folder in ("results", "data/prepared", ".snakemake"):
        for path in (checkout.root / folder).rglob("*"):
            os.utime(path, (ahead, ahead))
    assert "Nothing to be done" in checkout.must("snakemake", "toy", "--cores", "2")
    checkout.result("tables/norms.csv").unlink()
    done = checkout.snakemake("toy")
    assert done.returncode != 0
    assert "clock skew" in done.stdout
    found = results(checkout)
    assert all(content == results(whole)[path] for path, content in found.items())
    (mend,) = re.findall(r"`(find .* touch {} \+)`", (checkout.root / "config/README.md").read_text())
    checkout.must("sh", "-c", mend)
    checkout.must("snakemake", "toy", "--cores", "2", "--quiet")
    assert results(checkout) == results(whole)
    assert checkout.plan("toy") == set()


PREPARED = "data/prepared/mnist/full/unit.safetensors"
NAMES = ["plain", "a b", "x; touch pwned", "$(touch pwned)", "`touch pwned`", "it's", 'a"b', "é", "-rf"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A checkout whose MNIST is small."""
    checkout = Checkout.make(tmp_path_factory.mktemp("small"))
    write_register(checkout.root, lambda sets: sets["mnist"].update(splits={"full": {"sizes": SMALL}}))
    return checkout


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_data_folder_never_reaches_a_shell(name, small, tmp_path):
    folder = tmp_path / name
    parquet_folder(folder, SMALL)
    (small.root / PREPARED).unlink(missing_ok=True)
    quoted = str(folder).replace("'", "''")
    with small.edited("config/config.yaml", "data: {}", f"data: {{mnist: '{quoted}'}}"):
        small.must("snakemake", PREPARED, "--cores", "1", "--quiet")
    assert (small.root / PREPARED).is_file()
    for place in (small.root, tmp_path, folder, Path.cwd()):
        assert not (place / "pwned").exists()


def test_data_that_were_replaced_are_prepared_anew(small, tmp_path):
    """By content: another folder with the same files rebuilds nothing, the same folder with others does."""
    first, second = tmp_path / "first", tmp_path / "second"
    parquet_folder(first, SMALL)
    shutil.copytree(first, second)
    (small.root / PREPARED).unlink(missing_ok=True)
    small.must("snakemake", PREPARED, "--cores", "1", "--quiet", "--config", f"data={{mnist: {first}}}")
    before = (small.root / PREPARED).read_bytes()
    moved = small.must("snakemake", PREPARED, "--cores", "1", "--config", f"data={{mnist: {second}}}")
    assert "Nothing to be done" in moved
    parquet_folder(tmp_path / "other", {"test": SMALL["test"], "train": SMALL["train"]})
    shutil.copy(tmp_path / "other/train.parquet", second / "train.parquet")
    small.must("snakemake", PREPARED, "--cores", "1", "--quiet", "--config", f"data={{mnist: {second}}}")
    assert (small.root / PREPARED).read_bytes() != before

"""What `dvc pull` does where the remote, or something in it, is not what it should be."""

import hashlib
import os
import shutil
import subprocess
import time

import pytest
import remotes
import versions
from versions import git


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, store):
    """A checkout whose toy room is recorded and pushed to the store."""
    return versions.recorded(tmp_path_factory.mktemp("recorded"), store)


def stored(store, file):
    """Where the store has a file's content."""
    checksum = hashlib.md5(file.read_bytes()).hexdigest()
    return store / "files/md5" / checksum[:2] / checksum[2:]


def damage(path, how):
    """Change, shorten or remove an object; its content before."""
    before = path.read_bytes()
    path.chmod(0o644)
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(before[:20] if how == "truncated" else before[:-3] + b"000")
    return before


def files(checkout):
    """Path -> content of all that lies in results/ and data/."""
    found = [path for part in ("results", "data") for path in (checkout.root / part).rglob("*") if path.is_file()]
    return {path.relative_to(checkout.root): path.read_bytes() for path in found}


@pytest.mark.parametrize("how", ["tampered", "truncated", "missing"])
@pytest.mark.parametrize("path", ["tables/norms.csv", "runs/sgd/chunk-001.safetensors", "provenance.json"])
def test_a_damaged_object_is_never_pulled(recorded, store, tmp_path, path, how):
    """The pull fails and names the output, or the checksum; what was there stays, and what is pulled is right."""
    good, object_ = files(recorded), stored(store, recorded.result(path))
    before = damage(object_, how)
    try:
        clone = versions.clone(recorded, tmp_path / "clone")
        old = clone.result(path)
        old.parent.mkdir(parents=True, exist_ok=True)
        old.write_bytes(b"mine")
        done = clone.run("dvc", "pull")
        assert done.returncode != 0
        named = f"results/laptop/toy/{path}".removesuffix("/norms.csv").removesuffix("/sgd/chunk-001.safetensors")
        assert (named if how != "missing" else object_.name) in done.stdout
        assert old.read_bytes() == b"mine"
        old.unlink()
        assert files(clone).items() <= good.items()
    finally:
        object_.write_bytes(before)
    # With the object mended the same command goes on.
    clone.must("dvc", "pull", "--force")
    assert files(clone) == good


def test_without_a_remote_a_pull_says_so_and_the_room_can_be_built(recorded, store, tmp_path):
    clone = versions.clone(recorded, tmp_path / "clone")
    away = store.with_name("away")
    store.rename(away)
    try:
        done = clone.run("dvc", "pull")
    finally:
        away.rename(store)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    clone.must("dvc", "remote", "remove", "store")
    done = clone.run("dvc", "pull")
    assert done.returncode != 0
    assert "no remote" in done.stdout.lower()
    clone.must("snakemake", "toy", "--cores", "2", "--quiet")
    assert clone.result("verdict.json").read_bytes() == recorded.result("verdict.json").read_bytes()


def test_over_ssh(recorded, tmp_path):
    if (lacking := remotes.missing()) and not os.environ.get("CI"):
        pytest.skip(f"no OpenSSH here: {', '.join(lacking)} missing (`.ci/run` installs it)")
    assert not lacking
    (tmp_path / "server").mkdir()
    server = remotes.Server(tmp_path / "server")
    try:
        clone = versions.clone(recorded, tmp_path / "clone")
        clone.must("dvc", "pull", "--quiet")
        clone.must("dvc", "remote", "add", "--default", "far", f"ssh://127.0.0.1:{server.port}{tmp_path}/far")
        clone.must("dvc", "remote", "modify", "far", "verify", "true")
        clone.must("dvc", "remote", "modify", "--local", "far", "keyfile", str(server.key))
        clone.must("dvc", "push", "--quiet")
        for part in ("results", ".dvc/cache", "data/prepared"):
            shutil.rmtree(clone.root / part)
        git(clone, "checkout", "--quiet", "results")
        object_ = stored(tmp_path / "far", recorded.result("tables/norms.csv"))
        before = damage(object_, "tampered")
        assert clone.run("dvc", "pull").returncode != 0
        object_.write_bytes(before)
        clone.must("dvc", "pull", "--quiet")
        assert files(clone) == files(recorded)
        assert clone.plan() == set()
    finally:
        server.stop()
    shutil.rmtree(clone.root / ".dvc/cache")
    done = clone.run("dvc", "fetch")
    assert done.returncode != 0
    assert "failed to connect to ssh" in done.stdout


def building(checkout):
    """A build of the toy room, at work: Snakemake has its lock."""
    command = ["snakemake", "toy", "--cores", "1", "--quiet"]
    build = subprocess.Popen(command, cwd=checkout.root, env=checkout.environment, stderr=subprocess.DEVNULL)
    locks, deadline = checkout.root / ".snakemake/locks", time.monotonic() + 60
    while not (locks.is_dir() and [*locks.iterdir()]):
        assert build.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return build


def test_a_killed_build_leaves_a_lock_and_the_way_on_is_told(recorded, tmp_path):
    clone = versions.clone(recorded, tmp_path / "clone")
    build = building(clone)
    build.kill()
    build.wait()
    done = clone.snakemake("toy")
    assert done.returncode != 0
    assert "--unlock" in done.stdout
    clone.must("snakemake", "--unlock", "--cores", "1")
    clone.must("snakemake", "toy", "--cores", "2", "--quiet")
    assert results(clone) == results(recorded)


def test_a_second_build_is_refused_and_the_first_goes_on(recorded, tmp_path):
    clone = versions.clone(recorded, tmp_path / "clone")
    first = building(clone)
    second = clone.snakemake("toy")
    assert first.poll() is None, "both were at work"
    assert second.returncode != 0
    assert "cannot be locked" in second.stdout
    assert first.wait(timeout=120) == 0
    assert clone.plan("toy") == set()
    assert results(clone) == results(recorded)


def test_a_pull_under_a_running_build_loses_nothing(recorded, tmp_path):
    """It puts recorded files in the place of fresh ones with the same content; a call after both is in order."""
    clone = versions.clone(recorded, tmp_path / "clone")
    build = building(clone)
    clone.run("dvc", "pull", "--force")
    assert build.poll() is None, "the build was still at work"
    build.wait(timeout=120)
    clone.must("snakemake", "toy", "--cores", "2", "--quiet")
    assert clone.plan("toy") == set()
    assert results(clone) == results(recorded)


def results(checkout):
    """As `files`, without the record of their making, which has its time."""
    return {path: content for path, content in files(checkout).items() if path.name != "provenance.json"}

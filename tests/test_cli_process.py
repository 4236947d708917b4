"""The command as people start it: a process of its own, one line on stderr, exit code 2, no traceback."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from studies import SOURCE

from isthmus import rooms, tensors


@pytest.fixture
def root():
    """A project without results that any user of this machine can read."""
    with tempfile.TemporaryDirectory(prefix="isthmus tests ") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("data/register.yaml", "config/config.yaml"):
            (folder / part).parent.mkdir()
            shutil.copy(SOURCE / part, folder / part)
        yield folder


def run(root, *command):
    environment = {**os.environ, "ISTHMUS_ROOT": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *command], cwd=root, env=environment, text=True, capture_output=True)


def refused(done):
    """The one line of a process that was asked wrongly."""
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("isthmus: ")
    return line


@pytest.mark.parametrize("name", ["nosuch", "a \"b\"; ls $(pwd) 'c'", "../../etc"])
def test_an_unknown_paper(name, root):
    done = run(root, "-m", "isthmus", "judge", name)
    assert refused(done) == f"isthmus: wanted a paper of {', '.join(rooms.slugs())}, found {name!r}"
    assert done.stdout == ""


def test_an_unknown_key_in_the_config(root):
    (root / "config/config.yaml").write_text("skale: smoke\n")
    assert "config/config.yaml: skale: wanted one of the keys scale, papers, data" in refused(
        run(root, "-m", "isthmus", "check")
    )


def test_truncated_data(root):
    path = root / "data/prepared/digits/pilot/unit.safetensors"
    tensors.save(path, {"a": torch.zeros(100)}, {})
    path.write_bytes(path.read_bytes()[:-1])
    line = refused(run(root, "-m", "isthmus", "train", "ot_lmc", "main", "0", "--scale", "smoke"))
    assert "data/prepared/digits/pilot/unit.safetensors: wanted an intact safetensors file, found none" in line


# Root may write anywhere, so the process becomes an ordinary user once it has done the same job as root: by then
# all modules are loaded, which that user might not be able to read.
AS_ORDINARY_USER = """
import os, shutil, sys
from pathlib import Path
from isthmus.cli import main

job = ["measure", "ot_lmc", "mean_field", "--scale", "smoke"]
assert main(job) == 0
shutil.rmtree("results/smoke")
Path("results").chmod(0o555)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(main(job))
"""


def test_a_results_folder_that_is_not_writable(root):
    line = refused(run(root, "-c", AS_ORDINARY_USER))
    path = "results/smoke/ot_lmc/tables/mean_field.csv"
    assert line == f"isthmus: {path}: could not be written (Permission denied)"


def test_help(root):
    done = run(root, "-m", "isthmus", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "judge a room's claims by its tables" in done.stdout


@pytest.mark.parametrize("command", ["list", "check"])
def test_a_reader_that_has_seen_enough(command, root):
    """`isthmus list | head -1` must not end in a traceback."""
    environment = {**os.environ, "ISTHMUS_ROOT": str(root)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-m", "isthmus", command], env=environment, **pipes) as process:
        process.stdout.close()
        assert process.stderr.read() == b""

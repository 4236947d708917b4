"""The register: keys name its entries and nothing else, and what is not well formed is refused by file and key."""

import subprocess
import sys

import pytest
from data_files import write_register

from isthmus.data import register
from isthmus.errors import UserError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A function that makes another project root whose register is changed by a function of its sets."""

    def make(change):
        write_register(tmp_path / "project", change)
        monkeypatch.setenv("ISTHMUS_ROOT", str(tmp_path / "project"))

    return make


def test_register_imports_no_torch():
    code = "import sys, isthmus.data.register as r; r.sizes('digits/pilot/unit'); print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_content_checksum_follows_seed_and_scaling_but_not_titles(project):
    keys = ("digits/draw-1000/unit", "digits/draw-1000/standard", "digits/pilot/unit", "mnist/full/unit")
    before = [register.content_checksum(key, None) for key in keys]
    assert len(set(before)) == len(keys)

    def change(sets):
        sets["digits"]["title"] = "Digits"
        sets["digits"]["splits"]["draw-1000"]["seed"] = 1001

    project(change)
    after = [register.content_checksum(key, None) for key in keys]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("digits/pilot", "<set>/<split>/<scaling>"),
        ("digits/pilot/unit/more", "<set>/<split>/<scaling>"),
        ("../pilot/unit", "<set>/<split>/<scaling>"),
        ("digits/a..b/unit", "<set>/<split>/<scaling>"),
        ("/etc/passwd", "<set>/<split>/<scaling>"),
        ("digits/pi lot/unit", "<set>/<split>/<scaling>"),
        ("digits/pilot/unit\n", "<set>/<split>/<scaling>"),
        ("digit/pilot/unit", "sets: wanted one of cifar10, cifar10-jpeg"),
        ("digits/pilots/unit", "sets.digits.splits: wanted one of draw-1000, draw-2000, pilot"),
        ("digits/pilot/units", "sets.digits.scalings: wanted one of standard, unit"),
    ],
)
def test_keys_name_entries_and_nothing_else(key, message):
    with pytest.raises(UserError, match=message.replace("/<", "/.")):
        register.sizes(key)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("digits", "colour"), "red", r"sets\.digits\.colour: Extra inputs"),
        (("digits", "classes"), "ten", r"sets\.digits\.classes: .*found 'ten'"),
        (("digits", "splits", "pilot", "sizes"), {"test": 3}, r"splits\.pilot: .*wanted a train part"),
        (("digits", "splits", "pilot", "sizes", "test"), 0, r"sizes\.test: .*greater than 0"),
        (("digits", "splits", "a b"), {"sizes": {"train": 1}}, r"sets\.digits\.splits\.a b"),
        (("digits", "scalings", "unit"), {"fit": "whole", "std": 2}, r"either fit, or mean and std"),
        (("digits", "checksum"), "abc", r"sets\.digits\.checksum"),
        (("digits", "files"), "*", "files for kind torchvision, and for no other"),
        (("mnist", "shape"), [784], r"\[1 or 3 channels, height, width\]"),
    ],
)
def test_a_register_that_is_not_well_formed_is_refused(path, value, message, project):
    def change(sets):
        for name in path[:-1]:
            sets = sets[name]
        sets[path[-1]] = value

    project(change)
    with pytest.raises(UserError, match=rf"^data/register.yaml: .*{message}"):
        register.load()


def test_a_register_that_is_not_yaml_is_refused(project):
    project(lambda sets: None)
    (register.paths.root() / "data/register.yaml").write_text("sets: [")
    with pytest.raises(UserError, match=r"^data/register.yaml: wanted YAML, found .*line 1"):
        register.load()

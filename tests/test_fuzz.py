"""Random input, in process: a right result, or one line that names the file; no traceback, no long wait."""

from pathlib import Path

import pytest
import torch
import yaml
from data_files import SMALL, parquet_folder, small_project
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from studies import STUDY, Project, forget, toy

from isthmus import rooms, specs, tensors, typed
from isthmus.data import prepared
from isthmus.data.prepare import prepare
from isthmus.errors import UserError

# So many cases each; a case that takes longer than five seconds fails.
CASES = settings(
    max_examples=500,
    deadline=5000,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CONFIG = {"scale": "laptop", "papers": ["butterfly"], "data": {"mnist": "/data"}, "device": "cpu"}

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["1ep", "5it", "50%", "end", "digits/pilot/unit", "../../x", "$(id)", "a;b", "c d", "é"]),
    st.dates(),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(content, above=()):
    """Every place of a nested mapping: the keys that lead to it."""
    found = []
    for key, value in content.items() if isinstance(content, dict) else ():
        found += [(*above, key), *places(value, (*above, key))]
    return found


def altered(content, place, what, value):
    """The content with the value at a place replaced, removed, or with one key more beside it."""
    if len(place) > 1:
        return {**content, place[0]: altered(content[place[0]], place[1:], what, value)}
    rest = {key: old for key, old in content.items() if key != place[0]}
    match what:
        case "removed":
            return rest
        case "added":
            return {**content, str(value)[:20]: value}
    return {**rest, place[0]: value}


@st.composite
def changes(draw, content):
    """The content, changed at one place or a few."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places(content)))
        content = altered(content, place, draw(st.sampled_from(["replaced", "removed", "added"])), draw(_VALUES))
        if not places(content):
            break
    return content


@st.composite
def damages(draw, whole):
    """The bytes, cut off, overwritten or with some more in between."""
    at = draw(st.integers(0, len(whole)))
    bits = draw(st.binary(max_size=40))
    match draw(st.sampled_from(["cut off", "overwritten", "longer"])):
        case "cut off":
            return whole[:at]
        case "overwritten":
            return whole[:at] + bits + whole[at + len(bits) :]
    return whole[:at] + bits + whole[at:]


def one_line(call, path):
    """What the call gives, or None where it is refused in one line that begins with the path."""
    try:
        return call()
    except UserError as error:
        line = str(error)
        assert line.startswith(str(path)), line
        assert len(line.splitlines()) == 1, line
        assert len(line) < 1000
        return None


@pytest.fixture
def project(tmp_path, monkeypatch):
    yield Project(tmp_path, monkeypatch)
    forget()


@CASES
@given(content=changes(CONFIG))
def test_a_config(content, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    found = one_line(lambda: typed.checked(specs.Config, typed.read_yaml(path), path), path)
    assert found is None or isinstance(found, specs.Config)


@CASES
@given(text=damages(yaml.safe_dump(CONFIG).encode()))
def test_the_text_of_a_config(text, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(text)
    one_line(lambda: typed.checked(specs.Config, typed.read_yaml(path), path), path)


@CASES
@given(content=changes(toy()))
def test_a_study(content, project):
    forget()
    project.write(content)

    def load():
        room = rooms.load("toy", "laptop")
        return [(run.recipe.digest(), run.chunk_paths()) for run in room.runs.values()]

    found = one_line(load, STUDY)
    if found is not None:
        for _, chunks in found:
            assert all(Path(path).is_relative_to("results/laptop/toy/runs") for path in chunks)
            assert all(".." not in Path(path).parts for path in chunks)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A project root whose real sets are small."""
    return small_project(tmp_path / "project", monkeypatch)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of small images as parquet, and what its first file holds."""
    folder = tmp_path_factory.mktemp("images") / "mnist"
    parquet_folder(folder, SMALL)
    return folder, (folder / "train.parquet").read_bytes()


@CASES
@given(data=st.data())
def test_a_parquet_file(data, images, small, tmp_path):
    folder, whole = images
    (folder / "train.parquet").write_bytes(data.draw(damages(whole)))
    out = tmp_path / "set.safetensors"
    out.unlink(missing_ok=True)
    one_line(lambda: prepare("mnist/full/unit", out, str(folder)), folder)
    if out.exists():
        found = prepared.load(out)
        assert len(found.labels["train"]) == SMALL["train"]
        assert found.inputs["train"].isfinite().all()


@CASES
@given(data=st.data())
def test_a_safetensors_file(data, tmp_path):
    path, given_ = tmp_path / "chunk.safetensors", {"theta": torch.arange(12.0).view(3, 4), "n": torch.arange(3)}
    tensors.save(path, given_, {"recipe": "{}", "rows": [0, 3]})
    whole = path.read_bytes()
    path.write_bytes(data.draw(damages(whole)))
    found = one_line(lambda: tensors.load(path), path)
    if found is not None:
        loaded, header = found
        assert {name: value.tolist() for name, value in loaded.items()} == {
            name: value.tolist() for name, value in given_.items()
        }
        assert header["rows"] == [0, 3]

"""`isthmus new`: a room that passes what every room must, whole or not at all."""

import pytest
from checkouts import Checkout

from isthmus import cli, rooms
from isthmus.commands import new

WRITTEN = ["README.md", "__init__.py", "claims.py", "figures.py", "measure.py", "study.yaml"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    made = Checkout.make(tmp_path_factory.mktemp("checkout"))
    made.must("isthmus", "new", "my_paper")
    return made


def test_it_writes_a_room_and_its_test_under_the_slug(checkout):
    folder, test = checkout.root / "src/isthmus/papers/my_paper", checkout.root / "tests/test_rooms_my_paper.py"
    assert sorted(path.name for path in folder.iterdir() if path.name != "__pycache__") == WRITTEN
    for file in (*folder.glob("*.*"), test):
        assert "__slug__" not in file.read_text()
    assert "my_paper" in test.read_text()
    assert not [*folder.parents[1].glob(".*")]


def test_it_passes_the_linter(checkout):
    checkout.must("ruff", "check", "src/isthmus/papers/my_paper", "tests")
    checkout.must("ruff", "format", "--check", "src/isthmus/papers/my_paper", "tests")


def test_it_is_found_and_in_step_after_sync(checkout):
    checkout.must("isthmus", "sync")
    assert checkout.must("isthmus", "sync", "--check") == ""
    assert "- my_paper\n" in (checkout.root / "params.yaml").read_text()
    assert "my_paper" in checkout.must("isthmus", "list")


def test_its_seeds_are_the_planned_ones_and_smoke_shares_none_with_them(checkout):
    """As tests/test_rooms.py asks of every room."""
    asked = (
        "from isthmus import rooms\n"
        "for scale in ('laptop', 'smoke'):\n"
        "    runs = rooms.load('my_paper', scale).runs.values()\n"
        "    print(sorted({n.seed for run in runs for n in run.recipe.networks}))\n"
    )
    laptop, smoke = checkout.must("python", "-c", asked).splitlines()
    assert (laptop, smoke) == (str([*range(1000, 1012)]), str([*range(6)]))


@pytest.fixture
def papers(tmp_path, monkeypatch):
    """An empty project, in which the command runs."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/register.yaml").touch()
    folder = tmp_path / "src/isthmus/papers"
    folder.mkdir(parents=True)
    monkeypatch.setenv("ISTHMUS_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rooms, "PAPERS", folder)
    return folder


@pytest.mark.parametrize("slug", ["", "Mine", "my-paper", "2nd", "a b", "../x", "mine@x", "mine\n", "all", "judge"])
def test_a_name_that_no_paper_may_have(slug, papers, capsys):
    assert cli.main(["new", slug]) == 2
    line = capsys.readouterr().err
    assert line.startswith("isthmus: slug: wanted a name ")
    assert line.endswith(f", found {slug!r}\n")
    assert [*papers.iterdir()] == []


@pytest.mark.parametrize("taken", ["src/isthmus/papers/mine/study.yaml", "tests/test_rooms_mine.py"])
def test_what_exists_is_left_alone(taken, papers, tmp_path, capsys):
    file = tmp_path / taken
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    assert cli.main(["new", "mine"]) == 2
    assert "slug: wanted a paper that there is not yet, found" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2


def test_all_is_written_or_nothing(papers, tmp_path, monkeypatch, capsys):
    """The test's folder cannot be made, since a file has its name."""
    (tmp_path / "tests").write_text("")
    assert cli.main(["new", "mine"]) == 2
    assert "tests/test_rooms_mine.py: could not be written" in capsys.readouterr().err
    assert [*papers.parent.rglob("*")] == [papers]

    (tmp_path / "tests").unlink()
    monkeypatch.setattr(new.Path, "rename", _fails)
    assert cli.main(["new", "mine"]) == 2
    assert "src/isthmus/papers/mine: could not be written (No space left)" in capsys.readouterr().err
    assert [*papers.parent.rglob("*")] == [papers]
    assert [*(tmp_path / "tests").iterdir()] == []


def _fails(path, target):
    raise OSError(28, "No space left")

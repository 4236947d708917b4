"""The command: what it is asked wrongly is answered in one line with exit code 2; help is for people."""

import json
import re
import shlex
import shutil
from itertools import pairwise

import pytest
import torch
from checkouts import commit
from studies import SOURCE

from isthmus import board, cli, rooms, store, tensors
from isthmus.data import prepared
from isthmus.data.prepared import DataSet

SMOKE = ["--scale", "smoke"]
STUDY = "src/isthmus/papers/butterfly/study.yaml"
DATA = "data/prepared/digits/pilot/unit.safetensors"
CHUNK = "results/smoke/ot_lmc/runs/main/chunk-000.safetensors"


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """A project without results, in which the command runs."""
    for name in ("data/register.yaml", "config/config.yaml"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(SOURCE / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISTHMUS_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def answer(capsys):
    """The one line by which the command refuses its arguments."""

    def ask(*arguments):
        assert cli.main([str(argument) for argument in arguments]) == 2
        said = capsys.readouterr()
        assert said.err.startswith("isthmus: ")
        assert said.err.endswith("\n")
        (line,) = said.err.splitlines()
        return line.removeprefix("isthmus: ")

    return ask


def write_data(root, path=DATA):
    """A prepared set of a few digits, of no value."""
    inputs = {part: torch.zeros(4, 1, 8, 8) for part in ("train", "test")}
    labels = {part: torch.zeros(4, dtype=torch.int64) for part in ("train", "test")}
    data = DataSet("digits/pilot/unit", inputs, labels, 10, (1, 8, 8), (0.0,), (1.0,), "checksum")
    prepared.save(root / path, data, {})


NAMES = ["nosuch", "", ".", "..", "../butterfly", "butter fly", "it's", 'a"b', "a;b", "$(ls)", "a\nb", "@x"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verb", ["train", "measure", "judge", "draw", "record", "check", "verdicts", "compare"])
def test_an_unknown_paper(verb, name, answer, root):
    more = {"train": ["main", 0], "measure": ["pairs"], "draw": ["growth"], "compare": ["butterfly"]}.get(verb, [])
    wanted = f"wanted a paper of {', '.join(rooms.slugs())}, found {name.partition('@')[0]!r}"
    assert answer(verb, name, *more) == wanted
    assert sorted(path.name for path in root.iterdir()) == ["config", "data"]


@pytest.mark.parametrize("name", ["butterfly@", "butterfly@nosuch", "butterfly@my own", "butterfly@../x"])
def test_an_unknown_variant(name, answer):
    wanted = "wanted a variant's overlay (there are: none yet), found no file"
    assert answer("judge", name) == f"config/variants/{name}.yaml: {wanted}"


KNOWN = sorted({scale for slug in rooms.slugs() for scale in rooms.scales(slug)})
SCALES = f"scale: wanted one of {', '.join(KNOWN)}, found 'huge'"
NONE = "could not be read (No such file or directory)"

# What the command is asked, as in a shell, and how its answer begins.
ASKED = [
    ("", "the following arguments are required: subcommand (see `isthmus --help`)"),
    ("trian", "argument subcommand: invalid choice: 'trian'"),
    ("list --all", "unrecognized arguments: --all (see `isthmus --help`)"),
    ("train butterfly nosuch 0", f"{STUDY}: runs: wanted one of main, kernel, "),
    ("train butterfly main 1 --scale smoke", f"{STUDY}: runs.main: wanted a chunk below 1, found 1"),
    ("train butterfly main -1 --scale smoke", f"{STUDY}: runs.main: wanted a chunk below 1, found -1"),
    ("train butterfly main x", "argument chunk: invalid int value: 'x' (see `isthmus train --help`)"),
    ("measure butterfly nosuch", f"{STUDY}: tables: wanted one of pairs, "),
    ('measure butterfly "it\'s"', f"{STUDY}: tables: wanted one of pairs, "),
    ("draw butterfly 'no such'", f"{STUDY}: figures: wanted one of barrier_vs_sigma, "),
    ("judge butterfly --scale huge", f"{STUDY}: scales: wanted one of laptop, smoke, redraw, found 'huge'"),
    ("check --scale huge", SCALES),
    ("list --scale huge", SCALES),
    ("verdicts --scale huge", SCALES),
    ("data digit/pilot/unit", "data/register.yaml: sets: wanted one of cifar10, "),
    ("data ../../etc", "data key '../../etc': wanted <set>/<split>/<scaling>"),
    ("data mnist/full/unit --places {", "argument --places: wanted JSON, found '{'"),
    ("data mnist/full/unit --places [1]", "argument --places: wanted a JSON mapping"),
    ("""data mnist/full/unit --places '{"mnist": 3}'""", "argument --places: wanted a JSON mapping"),
    ("""data mnist/full/unit --places '{"mnist": "/nosuch"}'""", "config data.mnist: wanted a folder"),
    ("train ot_lmc main 0 --scale smoke", f"{DATA}: wanted an intact safetensors file, found none (No such"),
    ("judge butterfly", f"results/laptop/butterfly/tables/pairs.csv: {NONE}"),
    ("draw butterfly growth", f"results/laptop/butterfly/tables/growth.csv: {NONE}"),
    ("record butterfly", f"data/prepared/mnist1d/draw-1000/standard.safetensors: {NONE}"),
    ("compare butterfly ot_lmc", f"results/laptop/butterfly/verdict.json: {NONE}"),
    ("compare 'a b.json' ot_lmc", f"a b.json: {NONE}"),
    (
        "compare butterfly",
        "HEAD:results/laptop/butterfly/verdict.json: wanted the published verdicts, which git has",
    ),
]


def test_a_build_is_compared_with_what_git_has(root, capsys):
    path = root / "results/laptop/butterfly/verdict.json"
    published = json.loads((SOURCE / path.relative_to(root)).read_text())
    store.write_json(path, published)
    commit(root, "results")
    claim = published["claims"]["C1"]
    claim |= {"verdict": "violated", "estimate": claim["interval"]["high"] + 1}
    store.write_json(path, published)
    assert cli.main(["compare", "butterfly"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    count = len(published["claims"])
    assert f"the same word for {count - 1} of {count} claims" in said
    tested = sum(entry["interval"] is not None for entry in published["claims"].values())
    assert f"holds the estimate of the second for {tested - 1} of {tested}." in said


@pytest.mark.parametrize(("arguments", "says"), ASKED, ids=[arguments for arguments, _ in ASKED])
def test_what_is_not_there(arguments, says, answer):
    assert answer(*shlex.split(arguments)).startswith(says)


def test_missing_networks(answer, root):
    write_data(root)
    assert answer("measure", "ot_lmc", "matching", *SMOKE).startswith(f"{CHUNK}: wanted an intact safetensors file")


def test_networks_of_another_recipe(answer, root):
    write_data(root)
    recipe = rooms.load("ot_lmc", "laptop").runs["main"].recipe
    header = {"recipe": recipe.canonical(), "rows": [0, 24], "data": "checksum"}
    tensors.save(root / CHUNK, {"step/60/theta": torch.zeros(24, 5)}, header)
    wanted = "wanted rows 0 to 24 of this recipe, found another recipe's"
    assert answer("measure", "ot_lmc", "matching", *SMOKE) == f"{CHUNK}: {wanted}"


@pytest.mark.parametrize("verb", [["train", "ot_lmc", "main", 0], ["measure", "ot_lmc", "dimension"]])
def test_truncated_data(verb, answer, root):
    write_data(root)
    (root / DATA).write_bytes((root / DATA).read_bytes()[:-1])
    assert answer(*verb, *SMOKE).startswith(f"{DATA}: wanted an intact safetensors file, found none")


def test_data_of_something_else(answer, root):
    tensors.save(root / DATA, {"a": torch.zeros(3)}, {"recipe": "x"})
    wanted = "wanted a prepared data set, found a header without 'checksum'"
    assert answer("train", "ot_lmc", "main", 0, *SMOKE) == f"{DATA}: {wanted}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("scale: laptop\nskale: smoke\n", "config/config.yaml: skale: wanted one of the keys scale, papers, data"),
        ("data: {mnist: 3}\n", "config/config.yaml: data.mnist: wanted a valid string, found 3"),
        ("scale: [laptop]\n", "config/config.yaml: scale: wanted a valid string, found ['laptop']"),
        ("scale: {", "config/config.yaml: wanted YAML, found something else"),
        (None, "config/config.yaml: could not be read (No such file or directory)"),
    ],
)
def test_a_faulty_config(text, says, answer, root):
    (root / "config/config.yaml").unlink()
    if text is not None:
        (root / "config/config.yaml").write_text(text)
    assert answer("check").startswith(says)


def test_a_place_that_is_no_checkout(answer, root, monkeypatch):
    monkeypatch.setenv("ISTHMUS_ROOT", str(root / "config"))
    assert answer("list").startswith(f"{root}/config: wanted a folder with data/register.yaml")


@pytest.mark.parametrize("command", ["", *cli._COMMANDS])
def test_help_fits_a_terminal_and_names_every_word(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as ended:
        cli.main([*command.split(), "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines()) <= 100
    words = cli._COMMANDS[command][1].split() if command else [*cli._COMMANDS]
    for word in words:
        assert {"names": "room"}.get(word, word) in shown


def test_the_list_says_what_there_is(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["list"]) == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    starts = [next(n for n, line in enumerate(lines) if line.startswith(f"{slug} ")) for slug in rooms.slugs()]
    # No name is cut, and no paper takes more than two lines.
    assert starts == sorted(starts)
    assert max(b - a for a, b in pairwise(starts)) <= 2
    for slug in rooms.slugs():
        for scale in rooms.scales(slug):
            assert re.search(rf"\b{scale}\b", shown)
    assert shown.count("missing") == len(rooms.slugs())


@pytest.mark.parametrize("columns", ["80", "160"])
def test_no_word_of_the_verdicts_is_cut(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("ISTHMUS_ROOT", str(SOURCE))
    assert cli.main(["verdicts"]) == 0
    shown = capsys.readouterr().out
    assert "…" not in shown
    words = {*shown.split()}
    for row in board.rows(board.read("laptop")):
        assert {row.claim, *row.verdict.split(), *row.says.split()} <= words


def test_without_verdicts_there_is_a_sentence(capsys):
    assert cli.main(["verdicts"]) == 0
    assert capsys.readouterr().out == "No claim has a verdict at this scale yet.\n"


def test_a_check_without_verdicts_finds_each_missing_one(capsys):
    assert cli.main(["check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    wanted = "could not be read (No such file or directory)"
    assert lines == [f"results/laptop/{slug}/verdict.json: {wanted}" for slug in rooms.slugs()]

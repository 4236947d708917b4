"""Generated files, the lock and the conda file are in step with what they follow from."""

import re
import sys
import tomllib

import pytest
import yaml
from checkouts import SOURCE, Checkout

from isthmus import board, store, sync
from isthmus.errors import UserError

CLAIM = {
    "says": "kicks grow | fast",
    "verdict": "holds",
    "estimate": 1.8765,
    "interval": {"low": 1.6, "high": None},
    "unit": "nats",
    "n": 12,
    "unit_of_n": "seed",
    "paper_says": {"value": "1.82 ± 1.26", "source": "Table 2", "certainty": "read"},
    "control": {
        "name": "kernel",
        "verdict": "contradicted",
        "estimate": 0.0,
        "interval": {"low": -0.1, "high": 0.1},
    },
    "differs_from_paper": ["data", "model"],
}
VERDICT = {"paper": "toy", "scale": "laptop", "claims": {"C10": CLAIM, "C2": {"says": "x", "verdict": "not run"}}}


def test_every_generated_file_is_in_step(monkeypatch):
    monkeypatch.chdir(SOURCE)
    assert sync.main(check=True) == []


def test_sync_writes_what_is_out_of_step_and_nothing_else(tmp_path):
    checkout = Checkout.make(tmp_path)
    (tmp_path / "README.md").write_text(f"# Title\n\n{board.marker('laptop')}\nold\n{board.END}\n\nText.\n")
    written = checkout.must("isthmus", "sync").splitlines()
    assert {"dvc.yaml: written", "params.yaml: written", "README.md: written"} <= set(written)
    assert (tmp_path / "README.md").read_text().endswith(f"{board.END}\n\nText.\n")
    assert checkout.must("isthmus", "sync", "--check") == ""
    (tmp_path / "params.yaml").write_text("papers: []\n")
    done = checkout.run("isthmus", "sync", "--check")
    assert (done.returncode, done.stdout) == (1, "params.yaml: out of step: run `make sync`\n")


def test_stages_follow_from_the_rooms(tmp_path):
    checkout = Checkout.make(tmp_path)
    checkout.must("isthmus", "sync")
    stages = yaml.safe_load((tmp_path / "dvc.yaml").read_text())["stages"]
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    assert params == {"papers": ["toy"], "data": {"digits-draw-1000-unit": "digits/draw-1000/unit"}}
    assert "src/isthmus/engine" in stages["paper"]["do"]["deps"]
    assert "src/isthmus/papers" not in stages["paper"]["do"]["deps"]
    assert yaml.safe_load((tmp_path / "scales/mnist/dvc.yaml").read_text())["stages"]["paper"]["foreach"] == []
    assert not (tmp_path / "scales/smoke").exists()


def test_a_paper_scale_has_a_stage_once_it_is_built(tmp_path):
    checkout = Checkout.make(tmp_path)
    checkout.result("provenance.json", "mnist").parent.mkdir(parents=True)
    checkout.result("provenance.json", "mnist").write_text("{}")
    checkout.must("isthmus", "sync")
    assert yaml.safe_load((tmp_path / "scales/mnist/dvc.yaml").read_text())["stages"]["paper"]["foreach"] == ["toy"]


def test_a_card_shows_the_verdicts_at_a_papers_scale_and_whether_the_code_has_changed_since(tmp_path):
    checkout = Checkout.make(tmp_path)
    card = tmp_path / "src/isthmus/papers/toy/README.md"
    pages = f"{board.marker('laptop')}\n{board.END}\n\nMNIST:\n\n{board.marker('mnist')}\n{board.END}\n"
    (tmp_path / "README.md").write_text(pages)
    card.write_text(pages)
    published = checkout.result("verdict.json", "mnist")
    store.write_json(published, VERDICT | {"scale": "mnist", "fingerprint": "another"})
    checkout.must("isthmus", "sync")
    laptop, mnist = card.read_text().split("MNIST:")
    assert "No claim has a verdict" in laptop
    assert "| toy | C10 | kicks grow" in mnist
    note = "Made by earlier code or settings than these."
    assert mnist.strip().endswith(f"{note}\n\n{board.END}")
    assert "C10" not in (tmp_path / "README.md").read_text()
    code = "from isthmus import rooms, verdicts; print(verdicts.fingerprint(rooms.load('toy', 'mnist')))"
    fingerprint = checkout.must(sys.executable, "-c", code).strip()
    store.write_json(published, VERDICT | {"scale": "mnist", "fingerprint": fingerprint})
    checkout.must("isthmus", "sync")
    assert note not in card.read_text()
    card.write_text(f"{board.marker('laptop')}\n{board.END}\n")
    done = checkout.run("isthmus", "sync")
    assert done.returncode != 0
    assert "papers/toy/README.md: wanted the lines <!-- verdicts: mnist --> and" in done.stdout


def test_the_board_shows_ours_the_papers_and_the_control():
    second, tenth = board.rows([VERDICT])
    assert (second.claim, tenth.claim) == ("C2", "C10")
    assert tenth.ours == "1.88 [1.6, –] nats"
    assert tenth.control == "kernel: contradicted, 0 [-0.1, 0.1]"
    assert tenth.theirs == "1.82 ± 1.26 (Table 2; read)"
    assert second.ours == second.control == "–"
    assert r"kicks grow \| fast" in board.markdown([tenth])


def test_the_overview_counts_verdicts_and_folds_the_board_away():
    shown = board.overview(board.rows([VERDICT]), {"toy": "A toy"}, {"toy": "toy/README.md"})
    summary, folded = shown.split("<details>")
    assert "| [`toy`](toy/README.md) | A toy | 1 holds, 1 not run |" in summary
    assert "<summary>Every claim (2)</summary>" in folded
    assert "kicks grow" in folded


@pytest.mark.parametrize(
    ("n", "unit", "shown"),
    [
        (12, "pair", "12 pairs"),
        (1, "seed", "1 seed"),
        (8, "block of runs", "8 blocks of runs"),
        (2, "data draw", "2 data draws"),
    ],
)
def test_units_are_counted_in_words(n, unit, shown):
    assert board.units(n, unit) == shown


def test_a_page_without_markers_is_named():
    with pytest.raises(UserError, match=r"README\.md: wanted the lines"):
        board.fill("no markers", "", "README.md")


def lock():
    """Name, version and marker of every line of the lock."""
    lines = (SOURCE / "requirements.lock").read_text().splitlines()
    pinned = [
        re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)( ; .+)?", line) for line in lines if line[:1] != "#"
    ]
    assert all(pinned), "wanted versions only, as name==version"
    return {match[1].lower().replace("_", "-"): match[3] for match in pinned}


def test_the_lock_pins_every_requirement_and_resolves_on_a_mac():
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.match(r"[A-Za-z0-9._-]+", line)[0].lower().replace("_", "-") for line in wanted}
    assert names <= lock().keys()
    linux_only = {name for name, marker in lock().items() if marker == ' ; platform_system == "Linux"'}
    assert {name for name in lock() if name.startswith(("nvidia-", "cuda-", "triton"))} == linux_only


def test_the_conda_file_is_python_and_the_lock():
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    environment = yaml.safe_load((SOURCE / "environment.yml").read_text())
    python = f"python {project['requires-python']}"
    assert environment["dependencies"] == [python, "pip", {"pip": ["-r requirements.lock"]}]

"""Progress: nothing for short work in a log, else a line now and then with rate and time left; a terminal's bar."""

import io

import pytest
from rich.console import Console

from isthmus import progress
from isthmus.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """The time that progress sees, in seconds, to be set."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_short_work_says_nothing_in_a_log(capsys, clock):
    with Progress(100, "steps", "butterfly main chunk 0") as counter:
        for _ in range(100):
            clock.now += 0.05
            counter.advance()
    assert capsys.readouterr() == ("", "")


def test_long_work_says_now_and_then_how_fast_it_goes_and_how_long_it_takes_yet(capsys, clock):
    with Progress(100, "steps", "butterfly main chunk 0") as counter:
        for _ in range(50):
            clock.now += 0.5
            counter.advance()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "butterfly main chunk 0: 20/100 steps, 2/s, about 40 s left",
        "butterfly main chunk 0: 40/100 steps, 2/s, about 30 s left",
    ]


def test_what_was_done_before_counts_but_not_in_the_rate(capsys, clock):
    with Progress(0, "steps", "x") as counter:
        counter.expect(100)
        counter.start_at(80)
        clock.now += 10
        counter.advance(10)
    assert capsys.readouterr().err == "x: 90/100 steps, 1/s, about 10 s left\n"


def test_a_terminal_gets_a_bar_with_the_rate(monkeypatch):
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=100)
    monkeypatch.setattr(progress, "Console", lambda file: terminal)
    with Progress(0, "steps", "butterfly main") as counter:
        counter.expect(4)
        counter.advance(4)
    assert "butterfly main" in shown.getvalue()
    assert "4/4" in shown.getvalue()
    assert "steps/s" in shown.getvalue()


def test_a_fault_inside_is_told_and_gives_the_cursor_back(monkeypatch):
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True)
    monkeypatch.setattr(progress, "Console", lambda file: terminal)
    with pytest.raises(ZeroDivisionError), Progress(3, "steps", "x"):
        raise ZeroDivisionError
    hidden, visible = "\x1b[?25l", "\x1b[?25h"
    assert shown.getvalue().rindex(hidden) < shown.getvalue().rindex(visible)

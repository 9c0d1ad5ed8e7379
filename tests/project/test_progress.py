"""Progress: a bar in a terminal, lines elsewhere, nothing where it is not wanted."""

import re

import pytest

from sedum import progress as module
from sedum.progress import progress


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_a_line_every_half_minute(clock, capsys):
    with progress(1000, "fitting", "galaxies") as advance:
        for _ in range(7):
            clock[0] += 10
            advance(100, note="working")
        advance(0, line="a line of its own")
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "a line of its own"
    assert lines[0] == "fitting: 300 of 1,000 galaxies, 10 a second, 70 s left, working"
    assert len(lines) == 3


def test_the_rate_leaves_out_what_was_finished_before(clock, capsys):
    with progress(1000, "fitting", "galaxies") as advance:
        advance(500)
        clock[0] += 40
        advance(100)
    assert "600 of 1,000 galaxies, 2.5 a second, 160 s left" in capsys.readouterr().err


def test_an_unknown_total(clock, capsys):
    with progress(None, "reading", "rows") as advance:
        clock[0] += 31
        advance(62)
    assert re.search(r"^reading: 62 rows, 2 a second$", capsys.readouterr().err, re.MULTILINE)


def test_nothing_is_shown_where_it_is_not_wanted(clock, capsys):
    with progress(10, "fitting", "galaxies", show=False) as advance:
        clock[0] += 100
        advance(5, line="a line")
    assert capsys.readouterr().err == ""

"""Tables on a terminal: no word is cut while there is room for it, and no rows are a sentence."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from hl7bridge.cli.tables import table
from hl7bridge.cli.times import At

COLUMNS = ["delivery", "message", "destination", "status", "received", "attempts", "next", "remark"]
TIME = "2026-11-22 07:44:33"
ROWS = [
    ["3", "2", "medstar", "QUEUED", TIME, 5, "07:47:14", "no answer within 30 s; possible duplicate"],
    ["10", "5", "rush", "SENDING", TIME, None, "after 3", ""],
]


def drawn(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int) -> list[str]:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    table(COLUMNS, ROWS)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    return [line for line in lines if line.strip()]


@pytest.mark.parametrize(
    ("width", "of_the_first_row"),
    [(160, 1), (98, 2), (91, 3)],
)
def test_a_row_takes_no_more_lines_than_it_must_and_words_stay_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, of_the_first_row: int
) -> None:
    lines = drawn(capsys, monkeypatch, width)
    assert max(map(len, lines)) <= width
    first = next(place for place, line in enumerate(lines) if " medstar " in line)
    second = next(place for place, line in enumerate(lines) if " rush " in line)
    assert second - first == of_the_first_row
    words = " ".join(lines).split()
    for text in [*COLUMNS, *(str(cell) for row in ROWS for cell in row if cell is not None)]:
        assert all(word in words for word in text.split()), text


def test_a_terminal_narrower_than_the_words_still_shows_all_letters(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = drawn(capsys, monkeypatch, 50)
    assert max(map(len, lines)) <= 50
    assert sum(line.count("2") for line in lines) >= 2 * TIME.count("2")


def test_no_rows_are_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    table(COLUMNS, [], none="no delivery [to rush] waits")
    assert capsys.readouterr().out == "no delivery [to rush] waits\n"


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> At:
    return At(int(datetime.fromisoformat(text).timestamp() * 1e6))


def test_the_zone_of_times_stands_in_the_head(new_york: None, capsys: pytest.CaptureFixture[str]) -> None:
    table(["id", "received"], [["1", at("2026-07-01T12:00Z")], ["2", At(None)]])
    head, _, first, second = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert head.split() == ["id", "received", "(EDT)"]
    assert first.split() == ["1", "2026-07-01", "08:00:00"]
    assert second.split() == ["2"]


def test_times_of_two_zones_say_theirs_each(new_york: None, capsys: pytest.CaptureFixture[str]) -> None:
    table(["id", "received"], [["1", at("2026-11-01T05:30Z")], ["2", at("2026-11-01T06:30Z")]])
    said = capsys.readouterr().out
    assert "received (" not in said
    assert "2026-11-01 01:30:00 EDT" in said
    assert "2026-11-01 01:30:00 EST" in said

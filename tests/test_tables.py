"""Tables on a terminal: no word is cut while there is room for it, and no rows are a sentence."""

from __future__ import annotations

import re

import pytest

from hl7bridge.cli.tables import table

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

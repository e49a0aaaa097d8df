"""What is accepted is what was seen: more messages under its name, or other values, are a difference again, and the line says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hl7bridge.changes import traffic
from hl7bridge.changes.difference import FIELD, Difference, Signature
from hl7bridge.changes.marks import NOTHING, Marks
from hl7bridge.changes.tally import Tally
from hl7bridge.cli.main import main
from hl7bridge.testing.world import write_folder
from tests.stored import Stored

CHANNEL = "channel: pharmacy\nsource: {mllp: {port: 2575}}\naccept: [RDE^O11]\nsend_to: [rush]\n"
FILES = {
    "pharmacy.yaml": CHANNEL,
    "destinations/rush.yaml": "destination: rush\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n",
}
COUNT = 40


def message(number: int) -> bytes:
    return (
        f"MSH|^~\\&|RX|S{number % 4}|HUB|HUB|20261121120000||RDE^O11^RDE_O11|{number}|P|2.5.1\r"
        f"PID|1||{number}^^^RETAIL^PI||Name{number}^JANE\rORC|NW|{number}\rRXE|1|55^metformin^NDC|1||TAB\r"
        f"OBX|1|ST|A||x{number}\rOBX|2|ST|B||y{number}\r"
    ).encode()


def stored(folder: Path, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    made = Stored(folder, FILES)
    made.world.hospital(6701)
    made.world.start()
    made.receives(*map(message, range(count)))
    made.leaves()
    return made.data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("accepted"), COUNT)


class Change:
    """A change of a map, and `compare` on it."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.data = data
        self.old = write_folder(folder / "old", FILES)
        self.new = write_folder(folder / "new", FILES)
        self.file = self.new / "compare.accepted"

    def maps(self, *steps: str) -> None:
        text = CHANNEL.replace("send_to", f"map: [{', '.join(steps)}]\nsend_to")
        (self.new / "pharmacy.yaml").write_text(text)

    def compare(self, *arguments: object) -> Result:
        words = ["compare", self.old, self.new, "--data", self.data, "--since", "2000-01-01", *arguments]
        result = CliRunner().invoke(main, list(map(str, words)))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    def accept(self, *arguments: object) -> None:
        assert self.compare("--accept", *arguments).exit_code == 0
        assert self.compare(*arguments).exit_code == 0, "it is what was accepted"

    def why(self, *arguments: object) -> list[tuple[int, str | None]]:
        """Of each difference how many messages have it, and why it is not as accepted."""
        found: dict[str, Any] = json.loads(self.compare("--json", *arguments).stdout)
        return [(each["messages"], each["not_as_accepted"]) for each in found["differences"]]


@pytest.fixture
def change(tmp_path: Path, data: Path) -> Change:
    return Change(tmp_path, data)


def test_one_message_is_not_all(change: Change, tmp_path: Path) -> None:
    change.maps("{when: {PID-5.1: Name7}, PID-5.1: X}")
    change.accept()
    change.maps("PID-5.1: X")
    result = change.compare("--html", tmp_path / "page.html")
    assert result.exit_code == 1
    assert "accepted for 1 of 40" in result.stdout
    assert "1 difference, 1 not as accepted" in result.stdout
    assert "accepted for 1 of 40" in (tmp_path / "page.html").read_text()
    assert change.why() == [(40, "accepted for 1 of 40")]


def test_less_than_twice_as_many_of_the_same_messages_is_more_than_was_accepted(change: Change) -> None:
    change.maps("{when: {MSH-4: [S0, S1, S2]}, PID-5.1: X}")
    change.accept()
    change.maps("PID-5.1: X")
    assert change.why() == [(40, "accepted for 30 of 40")]


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("MSH-3: LANTERNX", "MSH-3: WRONG"),
        ("{PID-5.1: {from: PID-5.1, case: upper}}", "PID-5.1: X"),
        ("{PID-5.1: {from: PID-5.1, case: upper}}", "{PID-5.1: {from: PID-5.2, case: upper}}"),
    ],
)
def test_another_value_is_not_what_was_accepted(change: Change, was: str, becomes: str) -> None:
    change.maps(was)
    change.accept()
    change.maps(becomes)
    assert change.compare().exit_code == 1
    assert change.why() == [(40, "to other values than were accepted")]


def test_one_message_with_another_value_is_enough(change: Change) -> None:
    upper = "{PID-5.1: {from: PID-5.1, case: upper}}"
    change.maps(upper)
    change.accept()
    change.maps(upper, "{when: {PID-3.1: '7'}, PID-5.1: X}")
    assert change.why() == [(40, "to other values than were accepted")]


def test_a_second_occurrence_counts_as_the_first(change: Change) -> None:
    change.maps("{each: OBX, OBX-5: Z}")
    change.accept()
    change.maps("{each: OBX, OBX-5: Z}", "{'OBX[3=B]-5': WRONG}")
    assert change.why() == [(40, "to other values than were accepted")]


def test_other_messages_of_the_same_number_are_not_those(change: Change) -> None:
    for value in ("X", "{from: PID-5.1, case: upper}"):
        change.maps(f"{{when: {{MSH-4: S0}}, PID-5.1: {value}}}")
        change.accept()
        change.maps(f"{{when: {{MSH-4: S1}}, PID-5.1: {value}}}")
        assert change.why() == [(10, "accepted for 10 of 40")]


def test_a_failure_is_accepted_for_those_that_fail(change: Change) -> None:
    fails = "{PID-8: {from: PID-8, else: error}, when: {PID-3.1: %s}}"
    change.maps(fails % "'7'")
    change.accept()
    assert "fails now" in json.loads(change.file.read_text())["accepted"][0]["what"]
    change.maps(fails % "present")
    assert change.why() == [(40, "accepted for 1 of 40")]


def test_what_a_channel_sends_is_accepted_with_it(change: Change) -> None:
    other = "channel: other\nsource: pharmacy\nsend_to: [rush]\n"
    (change.new / "other.yaml").write_text(other)
    change.accept()
    (change.new / "other.yaml").write_text(other.replace("send_to", "map: [{remove: PID-5}]\nsend_to"))
    assert change.why() == [(40, "otherwise than was accepted")]


def test_traffic_goes_on(change: Change, tmp_path: Path) -> None:
    change.data = stored(tmp_path / "made", 60)
    change.maps("{when: {MSH-4: S1}, PID-5.1: {from: PID-5.1, case: upper}}", "MSH-3: X")
    change.accept("--limit", 40)
    whole = json.loads(change.file.read_text())
    assert whole["messages"] == [21, 60]
    assert change.compare("--limit", 20).exit_code == 0, "some of the messages of then are still here"
    assert change.compare().exit_code == 0, "the same becomes of others"
    # As if all the messages of then were gone: what all came to is still known of the constant alone.
    for each in whole["accepted"]:
        each["seen"] = "1000:00000000"
    whole["messages"] = [1000, 1100]
    change.file.write_text(json.dumps(whole))
    assert change.why() == [(60, None), (15, "accepted for other messages than these")]


def test_the_file_is_the_same_for_any_number_of_processes_and_holds_no_value(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    change.maps("{PID-5.1: {from: PID-5.1, case: upper}}", "MSH-3: X")
    change.accept()
    alone = change.file.read_text()
    assert "name" not in alone.lower()
    monkeypatch.setattr(traffic, "FEW", 3)
    monkeypatch.setattr(traffic, "PORTION", 7)
    change.accept("--processes", 2)
    assert change.file.read_text() == alone
    lines = [(each["of"], each["what"], each["messages"]) for each in json.loads(alone)["accepted"]]
    assert lines == [("to rush", "MSH-3 changed", 40), ("to rush", "PID-5.1 changed", 40)]


def test_of_many_messages_some_are_kept_whoever_looks_at_which() -> None:
    signature = Signature(FIELD, "to rush", "PID-5.1 changed", "PID-5.1")

    def kept(*processes: list[range]) -> dict[int, str]:
        whole = Tally()
        for portions in processes:
            made = Marks(b"k" * 32, NOTHING)
            for portion in portions:
                part = Tally()
                for number in portion:
                    part.count(number, {"to rush"}, [Difference(signature, "", str(number))], made)
                whole.add(part)
        assert (whole.first, whole.last, whole.found[signature].values) == (1, 2999, None)
        return whole.found[signature].some()

    alone = kept([range(1, 3000)])
    assert len(alone) == 512
    assert kept([range(2000, 3000), range(1, 500)], [range(500, 1000), range(1000, 2000)]) == alone


def test_a_file_of_another_form_or_folder_is_accepted_anew(change: Change, tmp_path: Path) -> None:
    change.maps("MSH-3: X")
    change.file.write_text(
        "# What a change is expected to do; x\n# from 0123456789ab\nto rush\tMSH-3 changed\n"
    )
    result = change.compare()
    assert (result.exit_code, "accept anew" in result.stderr) == (1, True)
    change.accept()
    assert "accept anew" not in change.compare().stderr
    change.data = stored(tmp_path / "elsewhere", 5)
    result = change.compare()
    assert (result.exit_code, "another data folder" in result.stderr) == (1, True)
    for text in ("{\n<<<<<<< ours\n", "[]", '{"old": 7}', ""):
        change.file.write_text(text)
        result = change.compare()
        assert (result.exit_code, "compare.accepted" in result.output) == (2, True), text


def test_the_same_of_another_occurrence_is_not_what_was_accepted(change: Change) -> None:
    change.maps("'OBX[3=A]-5': Z")
    change.accept()
    change.maps("'OBX[3=B]-5': Z")
    assert change.why() == [(40, "to other values than were accepted")]


def test_what_was_accepted_of_one_source_says_nothing_of_all(change: Change) -> None:
    change.maps("PID-5.1: X")
    change.accept("--source", "pharmacy")
    result = change.compare()
    assert result.exit_code == 1
    assert "was accepted for other messages (--source, --channel): accept anew" in result.stderr

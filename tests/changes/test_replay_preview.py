"""`replay --dry-run`: what would go, what the other side has of it, and what would be decided differently; and nothing moves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hl7bridge.changes import newer
from hl7bridge.changes.newer import Newer
from hl7bridge.places import STORE
from hl7bridge.store.base import MessageQuery
from hl7bridge.store.sqlite.reader import SqliteReader
from tests.stored import Stored

CHANNEL = "channel: pharmacy\nsource: {mllp: {port: 2575}}\nsend_to: [rush]\n"
RUSH = "destination: rush\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n"


def message(number: int, patient: int = 7, kind: str = "RDE^O11", code: str = "55") -> bytes:
    return (
        f"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||{kind}|C{number:03d}|P|2.5.1\r"
        f"PID|1||{patient}^^^RETAIL^PI||SECRETNAME^JANE\rORC|NW|{number}\rRXE|1|{code}^m^NDC|1||TAB\r"
    ).encode()


class Store(Stored):
    """What an engine left, and the command on it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {"pharmacy.yaml": CHANNEL, "destinations/rush.yaml": RUSH})
        self.hospital = self.world.hospital(6701)
        self.world.start()

    def runs(self, text: str) -> None:
        """The engine takes another channel."""
        (self.world.folder / "pharmacy.yaml").write_text(text)
        assert self.world.engine is not None
        for _ in self.world.engine.reload():
            pass
        self.world.run(1)

    def dry(self, *arguments: str) -> Result:
        result = self.command("replay", "--dry-run", *arguments)
        assert "SECRETNAME" not in result.output
        return result

    def plan(self, *arguments: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        result = self.dry("--json", *arguments)
        assert result.exit_code == 0, result.output
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        return lines[-1], lines[:-1]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


ALL = ("--source", "pharmacy")


def test_how_many_in_what_order_where_and_how_long(store: Store) -> None:
    store.receives(message(1), message(2, 8), message(1))
    plan, each = store.plan(*ALL, "--rate", "0.5")
    assert (plan["messages"], plan["deliveries"], plan["seconds"]) == (2, 2, 4.0)
    assert plan["skipped"] == {"a sender repeated it": 1}
    assert [(one["control_id"], one["to"]) for one in each if not one["skipped"]] == [
        ("C001", ["rush"]),
        ("C002", ["rush"]),
    ]
    said = store.dry(*ALL, "--rate", "0.0001").stdout
    assert "2 messages would be decided again, through the channels of configuration" in said
    assert "about 5 hours 33 minutes" in said
    reader = SqliteReader(store.data / STORE)
    assert len(reader.messages(MessageQuery())) == 3, "nothing was replayed"
    reader.close()


def test_what_was_acknowledged_is_said_by_type(store: Store) -> None:
    store.hospital.script.answer = lambda raw: "AR" if b"|C002|" in raw else "AA"
    store.receives(message(1, kind="RDS^O13"), message(2), message(3, 9))
    plan, each = store.plan(*ALL)
    assert [one["acknowledged"] for one in each] == [["rush"], [], ["rush"]]
    assert plan["acknowledged_types"] == {"RDS^O13": 1, "RDE^O11": 1}
    assert "2 messages acknowledged before (1 RDS^O13, 1 RDE^O11)" in store.dry(*ALL).stdout


def test_patients_with_newer_messages_that_do_not_go_again_are_counted(store: Store) -> None:
    store.receives(message(1), message(2), message(3, 8), message(4))
    plan, each = store.plan("--id", "1", "--id", "3")
    assert [(one["control_id"], one["newer"]) for one in each] == [("C001", 2), ("C003", 0)]
    assert plan["patients_with_newer"] == 1
    plan, each = store.plan("--limit", "3", *ALL)
    assert [one["newer"] for one in each] == [1, 1, 0]
    plan, each = store.plan(*ALL)
    assert (plan["patients_with_newer"], {one["newer"] for one in each}) == (0, {0}), "all of them go again"
    assert "1 patient of whom a destination has newer messages" in store.dry("--id", "1").stdout


def test_what_would_be_decided_differently_by_the_configuration_in_force(store: Store) -> None:
    store.receives(message(1), message(2, code="66"))
    store.runs(CHANNEL.replace("send_to", "filter: {RXE-2.1: {not: '66'}}\nmap: [{MSH-5: EPIC}]\nsend_to"))
    plan, each = store.plan(*ALL)
    assert (plan["messages"], plan["deliveries"], plan["decided_otherwise"]) == (2, 1, 2)
    assert each[0]["otherwise"] == ["to rush: MSH-5 changed"]
    assert "channel pharmacy: newly filtered by pharmacy.yaml:3:" in each[1]["otherwise"][0]
    assert "newly filtered" in store.dry(*ALL).stdout
    as_it_was = store.dry(*ALL, "--as-it-was").stdout
    assert "2 messages would go again, as they were" in as_it_was
    assert "newly filtered" not in as_it_was


def test_the_same_configuration_decides_all_of_it_as_it_was(store: Store) -> None:
    store.runs(CHANNEL.replace("send_to", "split: {each: ORC}\nmap: [{MSH-5: X}]\nsend_to"))
    store.receives(message(1) + b"ORC|NW|1-2\rRXE|1|2^m^NDC|1||TAB\r", message(2))
    assert "all of it is decided as it was" in store.dry(*ALL).stdout


def test_an_edited_copy_is_held_against_what_was_kept(store: Store, tmp_path: Path) -> None:
    store.receives(message(1))
    file = tmp_path / "edited.hl7"
    file.write_bytes(message(1, code="77").replace(b"\r", b"\n"))
    _, each = store.plan("--id", "1", "--edited", str(file))
    assert each[0]["otherwise"] == ["to rush: RXE-2.1 changed"]
    file.write_bytes(message(1, 8))
    other = store.dry("--id", "1", "--edited", str(file))
    assert (other.exit_code, "no number of the patient of message 1" in other.output) == (2, True)
    file.write_bytes(message(1) + message(2))
    assert "several messages" in store.dry("--id", "1", "--edited", str(file)).output
    assert store.dry("--edited", str(file)).exit_code == 2


def test_mistakes_are_said(store: Store) -> None:
    store.receives(message(1))
    assert "there is no destination rusch" in store.dry(*ALL, "--to", "rusch").output
    assert store.dry("--source", "elsewhere").exit_code == 2
    assert store.dry(*ALL, "--control-id", "C9").exit_code == 1


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patients=st.lists(st.integers(1, 3), min_size=1, max_size=14), data=st.data())
def test_newer_is_what_the_destination_has_behind_it_and_what_does_not_go(
    tmp_path_factory: pytest.TempPathFactory, patients: list[int], data: st.DataObject
) -> None:
    store = Store(tmp_path_factory.mktemp("newer"))
    store.receives(*(message(number, patient) for number, patient in enumerate(patients)))
    rows = store.world.store.messages(MessageQuery(), None, 100, newest_first=False)
    among = sorted(data.draw(st.sets(st.sampled_from([row.id for row in rows]), min_size=1)))
    asked = newer.PAGE
    try:
        newer.PAGE = 2  # type: ignore[misc]
        found = Newer(store.world.store, among)
        for row in rows:
            if row.id not in among:
                continue
            mine = [each.id for each in rows if each.id > row.id and each.patient_keys == row.patient_keys]
            expected = len([each for each in mine if each not in among])
            assert min(found.of(row, "rush"), 1) == min(expected, 1)
    finally:
        newer.PAGE = asked  # type: ignore[misc]
        store.leaves()


@pytest.mark.parametrize(
    "words",
    [
        ("--id", "1", "--destination", "rush"),
        ("--id", "1", "--since", "2h"),
        ("--id", "1", "--limit", "1"),
        ("--id", "1", "--after", "1"),
        ("FILE", "--source", "pharmacy", "--limit", "1"),
        ("FILE", "--source", "pharmacy", "--type", "RDE^O11"),
        ("FILE", "--source", "pharmacy", "--since", "2h"),
        ("FILE", "--source", "pharmacy", "--after", "1"),
    ],
)
def test_what_would_not_be_heeded_is_refused(store: Store, tmp_path: Path, words: tuple[str, ...]) -> None:
    """A filter beside --id would choose the next message that matches, and one beside a file none at all."""
    store.receives(message(1))
    file = tmp_path / "evening.hl7"
    file.write_bytes(message(2))
    result = store.command("replay", *(str(file) if word == "FILE" else word for word in words))
    assert result.exit_code == 2
    assert words[-2] in result.output
    assert "no engine runs" not in result.output


@pytest.mark.parametrize(
    "words",
    [
        ("--rate", "-1"),
        ("--rate", "nan"),
        ("--limit", "0"),
        ("--limit", "-3"),
        ("--after", "-1"),
        ("--after", str(1 << 63)),
        ("--since", "99999999999999999d"),
        ("--since", "9" * 400 + "d"),
        ("--until", "0001-01-01"),
    ],
)
def test_numbers_that_are_none_are_refused(store: Store, words: tuple[str, ...]) -> None:
    store.receives(message(1))
    result = store.dry(*ALL, *words)
    assert (result.exit_code, words[0] in result.output) == (2, True)

"""Tests beside channels: what they find, and how differences are shown."""

from __future__ import annotations

from collections.abc import Callable

from hl7bridge.channel.beside import TestResult, run_tests
from hl7bridge.channel.loading.folder import load

MESSAGE = (
    b"MSH|^~\\&|RX|S|||20261121||RDS^O13|K1|P|2.5.1\r\n"
    b"PID|1||7^^^RETAIL^PI||A^B||||||||||||||999\r\nRXD|1||20261120\r\n"
)
FILES = {
    "pharmacy.yaml": b"""channel: pharmacy
source: {mllp: {port: 2575}}
accept: [RDS^O13]
filter: {MSH-3: RX}
map:
  - MSH-5: EPIC
  - PID-2: {from: PID-3.1}
  - remove: [PID-19]
send_to: [{affiliates: pharmacy}, {when: {MSH-4: NORTH}, to: north}]
""",
    "affiliates/medstar.yaml": b"""affiliate: medstar
agreement: {pharmacy: 2016-01-01}
roster: rosters/medstar.csv
send: {mllp: {host: h, port: 1}}
""",
    "affiliates/rush.yaml": b"""affiliate: rush
agreement: {pharmacy: 2016-01-01}
send: {mllp: {host: h, port: 1}}
map: [{keep: 'PID-3[4=RUSH]'}]
""",
    "north.yaml": b"destination: north\nsend: {file: {folder: x}}\n",
    "rosters/medstar.csv": b"",
}
OUTSIDE = {
    "../samples/rds.hl7": MESSAGE,
    "rosters/medstar.csv": b"id,authority,from,through,npi,opt_out\n7,RETAIL,2026-01-01,,,\n8,RETAIL,,,,\n",
}


def run(tests: str, outside: dict[str, bytes] = OUTSIDE) -> list[TestResult]:
    configuration = load({**FILES, "pharmacy.test.yaml": tests.encode()})
    return run_tests(configuration, outside.__getitem__)


def shown(tests: str, outside: dict[str, bytes] = OUTSIDE) -> list[str]:
    return [str(each) for result in run(tests, outside) for each in result.differences]


def test_what_is_as_expected() -> None:
    results = run(
        """
- name: a dispense reaches MedStar under its own number
  message: ../samples/rds.hl7
  expect:
    medstar: {MSH-5: EPIC, PID-2: 7, PID-19: absent, RXD-3: {after: 2026-11-19}}
    rush: not sent
    north: not sent
  answer: AA
  status: RECEIVED
- name: a training message goes nowhere
  message: ../samples/rds.hl7
  with: {MSH-11: T}
  expect: {medstar: not sent}
- name: another sender is filtered
  message: ../samples/rds.hl7
  with: {MSH-3: OTHER, MSH-4: NORTH}
  status: FILTERED
  expect: {north: not sent}
- name: by a message in the test
  message: |
    MSH|^~\\&|RX|NORTH|||20261121||RDS^O13|K1|P|2.5.1
    PID|1||9^^^RETAIL
  expect: {north: sent}
- name: with rows of its own
  message: ../samples/rds.hl7
  with: {'PID-3[4=RUSH].1': 55}
  roster: {rush: '7,RETAIL,,2026-12-31'}
  expect: {rush: {PID-3: 55^^^RUSH}, medstar: not sent}
"""
    )
    assert [
        (each.name, [str(one) for one in each.differences], each.fault) for each in results if not each.passed
    ] == []
    assert [each.place for each in results][:2] == ["pharmacy.test.yaml:2:3", "pharmacy.test.yaml:10:3"]
    assert all(each.channel == "pharmacy" for each in results)


def test_differences_are_shown_field_by_field() -> None:
    assert shown(
        "- {name: x, message: ../samples/rds.hl7, expect: {medstar: "
        "{MSH-5: CERNER, PID-2: 7, PID-19: present, PID-5: {matches: Z}, OBX: present, 'PID-3[*].4': X}}}"
    ) == [
        "medstar MSH-5: expected CERNER, found EPIC",
        "medstar PID-19: expected present, found nothing",
        "medstar PID-5: expected {matches: Z}, found A^B",
        "medstar OBX: expected present, found absent",
        "medstar PID-3[*].4: expected X, found RETAIL",
    ]


def test_why_nothing_was_sent_is_said() -> None:
    head = "- {name: x, message: ../samples/rds.hl7, "
    assert shown(head + "with: {MSH-11: T}, expect: {medstar: sent}}") == [
        "medstar: expected sent, found not sent (processing: MSH-11 is not P)"
    ]
    assert shown(head + "with: {MSH-3: Y}, expect: {medstar: sent}}") == [
        "medstar: expected sent, found not sent (FILTERED, pharmacy.yaml:4:10: MSH-3 = RX)"
    ]
    assert shown(head + "with: {MSH-9: ADT^A01}, expect: {medstar: sent}, answer: AA}") == [
        "answer: expected AA, found AR",
        "medstar: expected sent, found not sent (no channel accepts the message)",
    ]
    assert shown(head + "expect: {rush: sent}}") == ["rush: expected sent, found not sent"]
    assert shown(head + "roster: {rush: '7,RETAIL'}, expect: {rush: sent}}") == [
        "rush: expected sent, found an error: affiliates/rush.yaml:4:14: keep leaves nothing of PID-3"
    ]
    assert shown(head + "expect: {medstar: not sent}}") == ["medstar: expected not sent, found sent"]
    assert shown(head + "expect: {medstar: [{MSH-5: EPIC}, {MSH-5: EPIC}]}}") == [
        "medstar: expected 2 messages, found 1 message"
    ]


def test_what_cannot_be_read_fails_its_test() -> None:
    tests = "- {name: x, message: ../samples/none.hl7, expect: {medstar: sent}}"
    assert run(tests)[0].fault == "the message ../samples/none.hl7 cannot be read: KeyError"
    tests = "- {name: x, message: ../samples/rds.hl7, expect: {medstar: sent}}"
    bad = {**OUTSIDE, "../samples/rds.hl7": b"hello"}
    assert (run(tests, bad)[0].fault or "").startswith(
        "the message ../samples/rds.hl7 cannot be read: there is no MSH"
    )
    bad = {**OUTSIDE, "rosters/medstar.csv": b"id\n"}
    assert (run(tests, bad)[0].fault or "").startswith(
        "rosters/medstar.csv:1: the column authority is missing"
    )
    assert not run(tests, bad)[0].passed


def test_tests_of_one_channel_can_be_chosen() -> None:
    files = {
        **FILES,
        "pharmacy.test.yaml": b"- {name: x, message: ../samples/rds.hl7, expect: {medstar: sent}}",
    }
    configuration = load(files)
    assert len(run_tests(configuration, OUTSIDE.__getitem__, channel="pharmacy")) == 1
    assert run_tests(configuration, OUTSIDE.__getitem__, channel="other") == []


def test_the_version_does_not_change_with_tests(loaded: Callable[..., object]) -> None:
    assert (
        load({**FILES, "pharmacy.test.yaml": b"- {name: x, message: m, answer: AA}"}).version
        == load(FILES).version
    )


def test_a_text_that_is_nearly_a_word_is_doubted_where_the_test_fails() -> None:
    head = "- name: x\n  message: ../samples/rds.hl7\n  "
    assert shown(head + "expect: {medstar: {PID-19: absnt}}") == [
        "medstar PID-19: expected absnt, found nothing ('absnt' is taken as a text; did you mean absent?)"
    ]
    assert shown(head + "with: {PID-4: absnt}\n  expect: {medstar: {PID-4: absnt}}") == [], (
        "it may be the text"
    )

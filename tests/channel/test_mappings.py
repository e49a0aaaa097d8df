"""Right sides of mappings: constants, where values come from, text functions, tables, and what stands there
without a value.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

Mapped = Callable[..., str]
Failed = Callable[..., str]
HEAD = "MSH|^~\\&|A|B|C|D|20261121204700||ADT^A08|1|P|2.5.1\n"
PATIENT = (
    "PID|1||7^^^MEDSTAR^MR~8^^^SSA^SS||Doe^jane^q||1948031|F||W^White~X||Main St&12^^Town|(202) 555-0134~1\n"
)


def one(
    mapped: Mapped, step: str, segment: str, files: dict[str, bytes] | None = None, message: str = ""
) -> str:
    """The segment of a message after one step."""
    lines = mapped(step, message or HEAD + PATIENT, files).split("\n")
    return next(line for line in lines if line.startswith(segment))


@pytest.mark.parametrize(
    ("step", "field", "value"),
    [
        ("- PID-2: NO", 2, "NO"),
        ("- PID-2: 010", 2, "010"),
        ("- PID-2: 12:30", 2, "12:30"),
        ("- PID-2: 1.0", 2, "1.0"),
        ("- PID-2: null", 2, '""'),
        ("- PID-2: 'null'", 2, "null"),
        ("- PID-2: ''", 2, ""),
        ("- PID-2: A^B&C~D", 2, "A^B&C~D"),
        ("- PID-2.1: A^B&C~D", 2, r"A\S\B\T\C\R\D"),
        (r"- PID-2.1: 'a\.br\b\c'", 2, r"a\.br\b\E\c"),
        ("- PID-2: ${env.SITE}", 2, "SITE1"),
        ("- PID-2: 'x-${PID-8}-${MSH-10}'", 2, "x-F-1"),
        ("- PID-2: {from: PID-8}", 2, "F"),
        ("- PID-2: {from: 'PID-3[4=SSA].1'}", 2, "8"),
        ("- PID-2: {from: 'PID-3[2].1'}", 2, "8"),
        ("- PID-2: {from: PID-30}", 2, ""),
        ("- PID-8: {from: PID-30}", 8, ""),
        ("- PID-8: {from: PID-30, else: keep}", 8, "F"),
        ("- PID-8: {from: PID-30, else: U}", 8, "U"),
        ("- PID-8: {from: PID-30, else: null}", 8, '""'),
        ("- PID-5.1: {from: PID-5.2, case: upper}", 5, "JANE^jane^q"),
        ("- PID-5.2: {from: PID-5.2, case: title}", 5, "Doe^Jane^q"),
        ("- PID-5.1: {from: PID-5.1, case: lower}", 5, "doe^jane^q"),
        ("- PID-5.1: ''", 5, "^jane^q"),
        ("- PID-5.4: III", 5, "Doe^jane^q^III"),
        ("- PID-20.1: X", 20, "X"),
        ("- PID-20.2: X", 20, "^X"),
        ("- PID-5.2.2: X", 5, "Doe^jane&X^q"),
        ("- 'PID-13[*].1': {from: 'PID-13[*].1', replace: ['\\D', '']}", 13, "2025550134~1"),
        ("- 'PID-13[+].1': 9", 13, "(202) 555-0134~1~9"),
        ("- 'PID-13[2].1': 9", 13, "(202) 555-0134~9"),
        (
            "- 'PID-13[1].1': {from: 'PID-13[1].1', replace: [['\\D', ''], ['^(...)', '\\1-']]}",
            13,
            "202-5550134~1",
        ),
        ("- 'PID-3[4=NEW].1': 55", 3, "7^^^MEDSTAR^MR~8^^^SSA^SS~55^^^NEW"),
        ("- PID-20: {join: [PID-5.2, ' ', PID-5.1]}", 20, "jane Doe"),
        ("- PID-20: {join: [PID-5.1, PID-30, PID-5.2], with: ', '}", 20, "Doe, jane"),
        ("- PID-20: {join: [PID-30, ' ']}", 20, ""),
        ("- PID-20: {join: 'PID-3[*].1', with: /}", 20, "7/8"),
        ("- PID-20: {first_of: [PID-30, 'PID-3[5=SS].1', PID-2]}", 20, "8"),
        ("- PID-20: {first_of: [PID-30, none]}", 20, "none"),
        ("- PID-20: {from: received, date: YYYYMMDD}", 20, "20261121"),
        ("- PID-20: {from: MSH-7, date: 'YYYY-MM-DD HH:MM'}", 20, "2026-11-21 20:47"),
        ("- PID-20: {from: MSH-7, date: MM/DD/YYYY}", 20, "11/21/2026"),
        ("- PID-20: {from: MSH-7, date: YYYYMMDDHHMMSS}", 20, "20261121204700"),
        ("- PID-20: {from: PID-7, date: YYYYMMDD, else: unknown}", 20, "unknown"),
        ("- PID-10: {from: 'PID-10[*]'}", 10, None),
        ("- 'PID-10[*]': {from: 'PID-10[*]'}", 10, "W^White~X"),
        ("- 'PID-10[*].1': U", 10, "U^White~U"),
        ("- /PID-2-1: x", 2, "x"),
        ("- PID.2.1: x", 2, "x"),
        ("- remove: PID-10", 10, ""),
        ("- remove: 'PID-10[1]'", 10, "X"),
        ("- remove: PID-10.2", 10, "W^~X"),
        ("- remove: 'PID-3[5=SS]'", 3, "7^^^MEDSTAR^MR"),
        ("- keep: 'PID-3[5=SS|XX]'", 3, "8^^^SSA^SS"),
        ("- {each: 'PID-3[*]', where: {it.5: SS}, it.1: '***'}", 3, "7^^^MEDSTAR^MR~***^^^SSA^SS"),
        ("- {each: 'PID-3[*]', where: {it.5: SS}, remove: it}", 3, "7^^^MEDSTAR^MR"),
        ("- {each: 'PID-3[*]', it: {join: [it.5, it.1]}}", 3, "MR7~SS8"),
    ],
)
def test_what_a_field_becomes(
    mapped: Mapped, request: pytest.FixtureRequest, step: str, field: int, value: str | None
) -> None:
    if value is None:
        found = request.getfixturevalue("mistakes")("map: [" + step.removeprefix("- ").join("{}") + "]")
        assert "means several values" in found[0]
        return
    fields = [*one(mapped, step, "PID").split("|"), *[""] * 30]
    assert fields[field] == value


def test_steps_see_what_the_ones_before_them_did(mapped: Mapped) -> None:
    made = one(mapped, "- PID-2: first\n- PID-4: {from: PID-2}\n- PID-2: second", "PID")
    assert made.split("|")[2:5] == ["second", "7^^^MEDSTAR^MR~8^^^SSA^SS", "first"]


def test_a_missing_segment_is_made_only_for_a_value(mapped: Mapped) -> None:
    assert "PV1" not in mapped("- PV1-2: {from: PID-30}", HEAD + PATIENT)
    assert mapped("- PV1-2: O", HEAD + PATIENT).endswith("PV1||O\n")
    assert mapped("- 'ZZZ[2]-1': b", HEAD + PATIENT).endswith("ZZZ\nZZZ|b\n")
    assert mapped("- 'OBX[3.1=8302-2]-5': 180", HEAD).endswith("OBX|||8302-2||180\n")


TABLES = {"tables/stores.csv": "code,facility,city\n7,Sieben & Co,Köln\n9,Neun,Bonn\n".encode()}


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("{from: 'PID-3[1].1', table: stores, column: facility}", r"Sieben \T\ Co"),
        ("{from: 'PID-3[1].1', table: stores, column: city, case: upper}", "KÖLN"),
        ("{from: 'PID-3[2].1', table: stores, column: city}", ""),
        ("{from: 'PID-3[2].1', table: stores, column: city, else: keep}", "old"),
        ("{from: 'PID-3[2].1', table: stores, column: city, else: nowhere}", "nowhere"),
        ("{from: PID-30, table: stores, column: city, else: keep}", "old"),
    ],
)
def test_tables(mapped: Mapped, form: str, value: str) -> None:
    assert one(mapped, f"- PID-2.1: old\n- PID-2.1: {form}", "PID", TABLES).split("|")[2] == value


def test_a_code_that_no_table_has_is_reported_with_its_place(
    decided: Callable[..., object], around: Callable[..., object]
) -> None:
    body = "map:\n  - PID-2: {from: 'PID-3[2].1', table: stores, column: city}"
    decision = decided(around(body, TABLES), (HEAD + PATIENT).replace("\n", "\r").encode())
    assert decision.misses == ("c.yaml:4:40 stores",)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("- PID-2: {from: PID-30, else: error}", "c.yaml:4:5: there is no value for PID-2"),
        ("- PID-2: {first_of: [PID-30], else: error}", "c.yaml:4:5: there is no value for PID-2"),
        (
            "- PID-2: {from: 'PID-3[2].1', table: stores, column: city, else: error}",
            "c.yaml:4:5: there is no value for PID-2",
        ),
        ("- PID-2: {from: PID-7, date: YYYYMMDD}", "c.yaml:4:32: this is not a date"),
        ("- keep: 'PID-3[4=NOBODY]'", "c.yaml:4:11: keep leaves nothing of PID-3"),
        ("- {add: NTE, after: ORC}", "c.yaml:4:5: there is no ORC behind which NTE could go"),
        (
            "- PID-5.1: {from: PID-5}",
            "c.yaml:4:5: the value holds delimiters and would spread over other components",
        ),
        (
            "- PID-2: x\n- {when: {PID-8: F}, do: [{PID-2: {from: PID-30, else: error}}]}",
            "c.yaml:5:30: there is no value for PID-2",
        ),
        ("- python: hook:bad", "c.yaml:4:13: the Python hook failed with ZeroDivisionError"),
        ("- python: hook:leave", "c.yaml:4:13: the Python hook failed with SystemExit"),
    ],
)
def test_a_mapping_error_names_its_step(failed: Failed, step: str, reason: str) -> None:
    hook = b"import sys\ndef bad(message):\n    1 / 0\ndef leave(message):\n    sys.exit(1)\n"
    assert failed(step, HEAD + PATIENT, {**TABLES, "hook.py": hook}) == reason


def test_text_functions_leave_escapes_and_delimiters_alone(mapped: Mapped) -> None:
    message = HEAD + "ZPH|o\\T\\brien\\.br\\two\\E\\x|a^b~c&d\n"
    made = one(
        mapped,
        "- ZPH-1: {from: ZPH-1, case: upper}\n- 'ZPH-2[*]': {from: 'ZPH-2[*]', case: upper}",
        "ZPH",
        None,
        message,
    )
    assert made == "ZPH|O\\T\\BRIEN\\.br\\TWO\\E\\X|A^B~C&D"


def test_other_delimiters(mapped: Mapped) -> None:
    message = "MSH#*!?%#A#B#####ADT*A08\nPID#1##7***MEDSTAR*MR!8***SSA\n"
    steps = """
    - MSH-5: A^B&C
      PID-2.1: 'A*B'
      PID-4: {from: 'PID-3[4=SSA].1'}
    - when: {MSH-9: ADT^A08}
      PID-6: seen
    """
    assert (
        mapped(steps, message)
        == "MSH#*!?%#A#B#A*B%C####ADT*A08\nPID#1#A?S?B#7***MEDSTAR*MR!8***SSA#8##seen\n"
    )


def test_character_sets(decided: Callable[..., object], around: Callable[..., object]) -> None:
    body = "map:\n  - PID-5.1: {from: PID-5.1, case: upper}\n    PID-6: 'Ä'"
    raw = "MSH|^~\\&|||||||ADT^A08|||||||||8859/1\rPID|||||müller\rZZZ|\xff\r".encode("latin-1")
    [outgoing] = decided(around(body), raw).outgoing  # type: ignore[attr-defined]
    assert outgoing.payload.decode("latin-1").split("\r")[1:3] == ["PID|||||MÜLLER|Ä", "ZZZ|\xff"]
    japanese = "MSH|^~\\&|||||||ADT^A08|||||||||ISO IR87\rPID|||||山田^太郎\r".encode("iso2022_jp")
    [outgoing] = decided(around("map: [{PID-5.2: 花子}]"), japanese).outgoing  # type: ignore[attr-defined]
    assert outgoing.payload.decode("iso2022_jp").endswith("PID|||||山田^花子\r")


def test_what_a_character_set_lacks_is_an_error_of_the_channel(failed: Failed) -> None:
    message = "MSH|^~\\&|||||||ADT^A08|||||||||ASCII\nPID|1\n"
    assert failed("- PID-6: Ä", message).startswith(
        "c.yaml:4:5: a character of the text does not exist in ascii"
    )


def test_a_python_hook_changes_the_message(mapped: Mapped) -> None:
    hook = b"""
def clean(message):
    message.set("PID-2", message.get("PID-5.1") + "|".join(message.all("PID-3.1")).replace("|", "+"))
    message.set("PID-5.2", "a & b")
    message.remove("PID-10")
    assert message.parsed().segment("PID")[5][0][0][0] == "Doe"
"""
    made = one(mapped, "- python: hook:clean\n- PID-4: {from: PID-2}", "PID", {"hook.py": hook}).split("|")
    assert (made[2], made[4], made[5], made[10]) == ("Doe7+8", "Doe7+8", r"Doe^a \T\ b^q", "")

"""Conditions: what a path must be, in filters, and which occurrences they speak of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from hl7bridge.channel.rules.trace import Trace

Passes = Callable[..., bool]
MESSAGE = """MSH|^~\\&|A|B|C|D|20261121204700-0500||ADT^A08|1|P|2.5.1
PID|1||7^^^MEDSTAR&1.2&ISO^MR~8^^^SSA^SS||Doe^jane||19480311|F||""|A\\T\\B^x&y||Müller
PV1|1|O|W^2^3^NORTH&9.9&ISO||^^|
OBX|1|NM|8302-2||180
OBX|2|NM|29463-7||81.5
OBX|3|TX|NOTE||text
"""


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ("PID-8: F", True),
        ("PID-8: M", False),
        ("PID-8: [M, F]", True),
        ("PID-8: {not: F}", False),
        ("PID-8: {not: [M, U]}", True),
        ("PID-8: present", True),
        ("PID-8: absent", False),
        ("PID-30: absent", True),
        ("PID-30: {not: present}", True),
        ("PID-10: present", False),  # HL7's null
        ("PID-10: absent", True),
        ("PID-10: null", True),
        ("PV1-5: present", False),  # only delimiters
        ("'PID-3[5=PI].1': present", False),
        ("'PID-3[5=SS].1': present", True),
        ("PID-3.5: SS", True),  # any repetition
        ("PID-3.5: {not: SS}", False),  # none
        ("'PID-3[1].5': {not: SS}", True),
        ("PID-3.4: MEDSTAR", True),  # the first subcomponent counts
        ("PID-3.4.2: '1.2'", True),
        ("PID-5: Doe^jane", True),
        ("PID-5: Doe", False),
        ("PID-5.1: Doe", True),
        ("PID-11.1: A&B", True),
        ("PID-11.1: {starts_with: A&}", True),
        ("PID-13: Müller", True),
        ("PID-13: {matches: '^M.ller$'}", True),
        ("PID-13: {longer_than: 5}", True),
        ("PID-13: {longer_than: 6}", False),
        ("OBX-5: '81.5'", True),  # any OBX
        ("'OBX[1]-5': '81.5'", False),
        ("'OBX[3.1=8302-2]-5': '180'", True),
        ("OBX-5: {at_least: 180}", True),
        ("OBX-5: {at_least: 180.1}", False),
        ("OBX-5: {at_most: 80}", False),
        ("OBX-3.1: {in_table: codes}", True),
        ("OBX-2: {in_table: codes}", False),
        ("ZZZ: absent", True),
        ("OBX: present", True),
        ("'OBX[4]': present", False),
        ("OBX: {not: present}", False),
        ("PID-7: {before: 1948-03-12}", True),
        ("PID-7: {before: 1948-03-11}", False),
        ("PID-7: {after: 19480310}", True),
        ("PID-7: {after: 1948-03-11}", False),
        ("PID-7: {between: [1948-03-11, 1948-03-11]}", True),
        ("PID-8: {before: 2030-01-01}", False),
        ("MSH-7: {after: '2026-11-21 20:46'}", True),
        ("MSH-7: {between: ['20:00', '21:00']}", True),
        ("MSH-7: {between: ['21:00', '06:00']}", False),
        ("MSH-7: {between: ['20:30', '06:00']}", True),
        ("PID-7: {between: ['00:00', '24:00']}", False),  # a date has no time of day
        ("received: {between: ['20:00', '22:00']}", True),  # 02:00 UTC is 21:00 in New York
        ("received: {before: 2026-11-22}", True),
        ("received: {not: {after: '20:00'}}", False),
        ("{PID-8: F, PV1-2: O}", True),
        ("{PID-8: F, PV1-2: I}", False),
        ("any: [{PV1-2: I}, {PID-8: F}]", True),
        ("all: [{PV1-2: I}, {PID-8: F}]", False),
        ("not: {PV1-2: I}", True),
        ("not: {any: [{PV1-2: I}, {not: {PID-8: F}}]}", True),
        ("MSH-4: '${env.SITE}'", False),
    ],
)
def test_a_condition(passes: Passes, conditions: str, holds: bool) -> None:
    tables = {"tables/codes.csv": b"code\n8302-2\n"}
    assert passes(conditions, MESSAGE, tables, received=datetime(2026, 11, 22, 2, 0, tzinfo=UTC)) is holds


def test_a_filtered_message_is_kept_with_the_rule_that_stopped_it(
    decided: Callable[..., object], around: Callable[..., object]
) -> None:
    body = "filter:\n  PID-8: present\n  ORC-1: {not: [CH]}"
    message = MESSAGE + "ORC|CH\n"
    trace = Trace()
    decision = decided(around(body), message.replace("\n", "\r").encode(), trace=trace)
    assert (decision.status, decision.answer) == ("FILTERED", "AA")  # type: ignore[attr-defined]
    assert decision.outcomes[0].reason == "c.yaml:5:3: ORC-1 {not: in [CH]}"  # type: ignore[attr-defined]
    assert [(each.place, each.says, each.held, each.seen) for each in trace.events[1:]] == [
        ("c.yaml:4:3", "PID-8 present", True, ("F",)),
        ("c.yaml:5:3", "ORC-1 {not: in [CH]}", False, ("CH",)),
    ]

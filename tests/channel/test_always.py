"""What must hold whatever comes: of the loader, of maps, of the bytes that nothing touched."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hl7bridge.affiliation.who.roster import MemoryRoster
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import decide
from hl7bridge.channel.loading.folder import check, load
from hl7bridge.channel.rules.trace import Trace
from hl7bridge.channel.written.mistake import ConfigurationErrors
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import Message

RECEIVED = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
OUT = b"destination: out\nsend: {mllp: {host: h, port: 6000}}\nprocessing: any\n"
WHOLE = b"""channel: c
source: {mllp: {port: 2575}, zone: America/New_York}
accept: [RDE^O11, 'ADT^*']
filter: {'PID-3[5=PI].1': present, ORC-1: {not: [CH]}, any: [{PV1-2: I}, {not: {PV1-2: O}}]}
split: {each: OBR, with: [ORC]}
map:
  - MSH-5: EPIC
    MSH-6: ${env.SITE}
    'PID-10[*].1': {from: 'PID-10[*].1', table: race, else: keep}
    PID-7: {from: PID-7, date: YYYYMMDD}
    ZPH-2: {join: [PID-5.2, ' ', PID-5.1], with: '-'}
  - keep: 'PID-3[4=MEDSTAR|X,5=MR]'
  - when: {ORC-1: [CA, DC]}
    each: ORC
    do:
      - {add: TQ1, after: ORC, TQ1-1: 1}
      - {each: 'ORC-7[*]', it.3: {from: it.3, replace: ['\\D', '']}}
  - {each: OBX, where: {OBX-3.1: {in_table: race}, OBX-5: {longer_than: 9}}, remove: run}
  - {new: ORU^R01, keep: [MSH, PID]}
  - python: hook:fix
send_to: [out, {when: {received: {between: ['07:00', '19:00']}}, to: out}, {affiliates: clinic}]
"""
FILES: Mapping[str, bytes] = {
    "c.yaml": WHOLE,
    "destinations/out.yaml": OUT,
    "affiliates/a.yaml": b"affiliate: a\nagreement: {clinic: 2020-01-01}\n"
    b"send: {file: {folder: x}}\nmap: [{PID-19: ''}]\n",
    "c.test.yaml": b"- {name: x, message: 'MSH|^~\\&|', with: {MSH-11: T}, expect: {out: {PID-3: [a, b]}}}\n",
    "tables/race.csv": b"code,name\n1,x\n2,y\n",
    "hook.py": b"def fix(message):\n    message.set('ZZZ-1', 'x')\n",
}
_WORDS = """
channel source mllp port tls accept filter map send_to when each where do remove keep add after new run
from table column else date replace case join with first_of present absent not any all matches between
PID-3 PID-3[*].1 PID-3[4=X].1 OBX[2]-5 it it.1 original.PID-3 ORC OBX MSH-9 ${env.SITE} ${affiliate.x}
destination affiliate agreement clinic out c 2575 5s P T null '' '*' ADT^* RDE^O11 upper error yes 1
"""
WORDS = _WORDS.split()


def secret(name: str) -> str:
    return {"env.SITE": "SITE"}[name]


def only_mistakes(files: Mapping[str, bytes]) -> None:
    """Loading either works or says what is wrong, and `check` says the same."""
    found = check(files, secret)
    assert all(each.line >= 1 and each.column >= 1 and each.what for each in found)
    if not found:
        load(files, secret)
        return
    with pytest.raises(ConfigurationErrors) as caught:
        load(files, secret)
    assert list(caught.value.mistakes) == found


def test_the_folder_of_these_tests_is_right() -> None:
    assert check(FILES, secret) == []


@given(st.sampled_from(sorted(FILES)), st.text(max_size=200))
@example("c.yaml", "\ud7ff\U0010ffff\x85")
def test_any_text_in_place_of_a_file(name: str, text: str) -> None:
    only_mistakes({**FILES, name: text.encode("utf-8", "surrogatepass")})


@given(st.binary(max_size=80))
def test_any_bytes_as_a_file(data: bytes) -> None:
    for name in ("c.yaml", "tables/race.csv", "hl7bridge.yaml", "c.test.yaml"):
        only_mistakes({**FILES, name: data})


@given(st.sampled_from(sorted(FILES)), st.data())
@settings(max_examples=300)
def test_a_file_with_a_slip_of_the_hand(name: str, data: st.DataObject) -> None:
    content = FILES[name]
    at = data.draw(st.integers(0, len(content)))
    size = data.draw(st.integers(0, 12))
    put = data.draw(
        st.sampled_from([*WORDS, "", " ", "\n", "\t", ":", "- ", "{", "}", "[", "]", "'", '"', "&a ", "*a"])
    )
    only_mistakes({**FILES, name: content[:at] + put.encode() + content[at + size :]})


leaves = st.sampled_from(WORDS) | st.text(max_size=6) | st.none() | st.integers(-5, 99999)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=20,
)


@given(st.sampled_from(["filter", "map", "send_to", "split", "source", "accept", "errors"]), trees)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_any_tree_under_a_key_of_a_channel(key: str, tree: object) -> None:
    parsed = yaml.safe_load(WHOLE)
    parsed[key] = tree
    only_mistakes(
        {**FILES, "c.yaml": yaml.safe_dump(parsed, allow_unicode=True).encode("utf-8", "surrogatepass")}
    )


def configuration(body: bytes) -> Configuration:
    return load(
        {"c.yaml": b"channel: c\nsource: {mllp: {port: 1}}\n" + body + b"send_to: [out]\n", "out.yaml": OUT}
    )


PLAIN = configuration(b"")
CLEARS = configuration(b"map: [{ZZZ-1: x}]\n")
MANY = load(
    {
        **FILES,
        "c.yaml": WHOLE.replace(b"accept: [RDE^O11, 'ADT^*']\n", b"").replace(
            b"filter:", b"description: x #"
        ),
    },
    secret,
)
segments = st.lists(
    st.sampled_from(
        [
            b"PID|1||7^^^MEDSTAR^MR~8^^^X^PI",
            b"ORC|CA|2|||||^^D30~x",
            b"OBR|1",
            b"OBX|1|ST|1^x||y",
            b"NTE|1||z",
        ]
    )
    | st.sampled_from(
        [b"ZRX|1", b"TQ1|1", b"PV1||I", b"RXE|", b"", b"X", b"PID", b"OBX|||^^^~&&|\\", b"MSH|again"]
    )
    | st.binary(max_size=12),
    max_size=12,
)
headers = st.sampled_from(
    [b"MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5", b"MSH#*!?%#A", b"MSH|^", b"MSH|^~\\&|||||||||||||||||ISO IR87"]
)
messages = st.builds(
    lambda head, rest, end: end.join([head, *rest]) + end,
    headers,
    segments,
    st.sampled_from([b"\r", b"\n", b"\r\n"]),
)


@given(messages)
def test_a_channel_without_a_map_passes_bytes_unchanged(raw: bytes) -> None:
    message = Message(raw)
    decision = decide(PLAIN, "c", message, received=RECEIVED, sequence=1, roster=MemoryRoster())
    assert [each.payload for each in decision.outgoing] == [raw]
    assert decision.outgoing[0].payload is message.raw


@given(messages)
def test_untouched_segments_leave_byte_for_byte(raw: bytes) -> None:
    decision = decide(CLEARS, "c", Message(raw), received=RECEIVED, sequence=1, roster=MemoryRoster())
    if decision.status == "ERROR":
        return
    before = Message(raw).segments
    after = Message(decision.outgoing[0].payload, "utf-8").segments
    kept = [each for each in after if each.name != b"ZZZ"]
    assert [each.emit().rstrip(b"\r\n") for each in kept] == [each.emit().rstrip(b"\r\n") for each in before]


@given(messages | st.binary(max_size=300).map(lambda data: b"MSH|^~\\&|" + data))
@settings(max_examples=300)
def test_deciding_never_fails_and_says_nothing_of_the_message(raw: bytes) -> None:
    try:
        message = Message(raw)
    except Unreadable:
        return
    trace = Trace()
    decision = decide(MANY, "c", message, received=RECEIVED, sequence=1, roster=MemoryRoster(), trace=trace)
    again = decide(MANY, "c", Message(raw), received=RECEIVED, sequence=1, roster=MemoryRoster())
    assert decision == again
    assert message.emit() == raw
    assert decision.status in ("RECEIVED", "FILTERED", "ERROR", "REJECTED")
    for outcome in decision.outcomes:
        assert outcome.reason is None or outcome.reason.startswith(("c.yaml:", "hook"))
        assert "internal fault" not in (outcome.reason or "")

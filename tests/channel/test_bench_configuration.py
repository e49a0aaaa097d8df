"""The configurations that speed is measured with load as they are and decide as they say."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from hl7bridge.affiliation.who.roster import MemoryRoster
from hl7bridge.channel.deciding.decide import decide
from hl7bridge.channel.loading.folder import load
from hl7bridge.hl7.message import Message

HOSPITAL = b"""destination: hospital
send: {mllp: {host: 127.0.0.1, port: 26701}, timeout: 10s, connections: 8}
order: patient
retry: {first: 200ms, factor: 2, most: 2s}
"""
BENCH = {
    "bench.yaml": b"""channel: bench
source:
  mllp: {port: 22575}
accept: [RDE^O11, RDS^O13, 'ADT^*', 'ORU^*']
filter:
  MSH-11: P
map:
  - MSH-5: EPIC
    MSH-6: MEDSTAR
    PID-2: {from: 'PID-3[4=MEDSTAR].1'}
    PID-5.1: {from: PID-5.1, case: upper}
    ORC-17: {from: PV1-3.1}
  - remove: [PID-19]
send_to: [hospital]
""",
    "destinations/hospital.yaml": HOSPITAL,
}
PASSTHROUGH = {
    "everything.yaml": b"""channel: everything
source:
  mllp: {port: 22576}
  duplicates: off
send_to: [hospital]
""",
    "destinations/hospital.yaml": HOSPITAL + b"processing: any\n",
}
MESSAGE = (
    b"MSH|^~\\&|RXSYSTEM|STORE7711|HL7BRIDGE|HUB|20261121204700-0500||RDE^O11^RDE_O11|B1|P|2.5.1|||AL|NE\r"
    b"PID|1||7^^^RETAIL^PI~E7^^^MEDSTAR^MR||Alexander^CHRISTINE^M||19481103|F|||K ST||||||||999-99-0001\r"
    b"PV1|1|O|STORE7711^^^RETAIL\r"
    b"ORC|NW|RX1^RETAIL|||IP||^BID^^20261121^^R||20261121204500\r"
    b"RXE|^BID^^20261121|00093-1048-01^metformin|500||mg\r"
)
RECEIVED = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def test_the_benchmark_channel_filters_maps_and_routes() -> None:
    configuration = load(BENCH)
    decision = decide(
        configuration, "bench", Message(MESSAGE), received=RECEIVED, sequence=1, roster=MemoryRoster()
    )
    assert (decision.status, decision.answer, decision.type) == ("RECEIVED", "AA", "RDE^O11")
    assert decision.event_date == date(2026, 11, 21)
    [outgoing] = decision.outgoing
    assert (outgoing.destination, outgoing.refused, outgoing.error) == ("hospital", None, None)
    sent = Message(outgoing.payload)
    assert [sent.header.field(n) for n in (5, 6)] == [b"EPIC", b"MEDSTAR"]
    patient = sent.first(b"PID")
    assert patient is not None
    assert [patient.field(n) for n in (2, 5, 19)] == [b"E7", b"ALEXANDER^CHRISTINE^M", b""]
    assert sent.first(b"ORC").field(17) == b"STORE7711"  # type: ignore[union-attr]
    assert outgoing.payload.endswith(MESSAGE[MESSAGE.index(b"RXE") :])


def test_a_message_that_the_filter_refuses_is_answered_and_goes_nowhere() -> None:
    training = MESSAGE.replace(b"|P|2.5.1", b"|T|2.5.1")
    decision = decide(
        load(BENCH), "bench", Message(training), received=RECEIVED, sequence=1, roster=MemoryRoster()
    )
    assert (decision.status, decision.answer, decision.outgoing) == ("FILTERED", "AA", ())
    assert decision.outcomes[0].reason == "bench.yaml:6:3: MSH-11 = P"


@pytest.mark.parametrize(
    "raw", [MESSAGE, b"\xef\xbb\xbf\r\nMSH|^~\\&|A|||||\xff\xfe\x80|ZZZ^Z99|1\n\nZZZ|\x00\xc3\r\n"]
)
def test_a_channel_without_a_map_sends_the_very_bytes(raw: bytes) -> None:
    configuration = load(PASSTHROUGH)
    assert configuration.sources["everything"].duplicates_s is None
    assert configuration.destinations["hospital"].processing is None
    message = Message(raw)
    decision = decide(
        configuration, "everything", message, received=RECEIVED, sequence=1, roster=MemoryRoster()
    )
    assert decision.outgoing[0].payload is message.raw

"""Where messages go: destinations, conditions, affiliates by roster, agreement and event date; and what is
kept from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from hl7bridge.affiliation.who.roster import MemoryRoster, RosterRow, read_roster
from hl7bridge.channel.deciding.decide import Decision, decide
from hl7bridge.channel.loading.folder import any_secret, load
from hl7bridge.channel.rules.trace import Kind, Trace
from hl7bridge.channel.written.mistake import ConfigurationErrors
from hl7bridge.hl7.identifiers import Identifier
from hl7bridge.hl7.message import Message

Decide = Callable[..., Decision]
RDS = (
    b"MSH|^~\\&|RX|S|||20261121204700-0500||RDS^O13|K1|P|2.5.1\r"
    b"PID|1||7^^^RETAIL^PI~E7^^^MEDSTAR^MR||A^B\r"
    b"ORC|RE\rRXD|1|x|20261120\r"
)


def affiliate(name: str, more: str = "") -> bytes:
    return f"""affiliate: {name}
name: {name} Health
agreement: {{clinic: 2014-06-01, pharmacy: 2016-01-01}}
send: {{mllp: {{host: h, port: 6000}}}}
facility: FAC-{name}
{more}
""".encode()


def channel(more: str = "send_to: [{affiliates: pharmacy}]", **fields: str) -> bytes:
    return ("channel: c\nsource: {mllp: {port: 2575}, zone: America/New_York}\n" + more).encode()


def roster(*rows: str) -> MemoryRoster:
    """A roster of lines 'affiliate,id,authority,from,through,npi,opt_out'."""
    made = MemoryRoster()
    for row in rows:
        name, _, rest = row.partition(",")
        for entry in read_roster(b"id,authority,from,through,npi,opt_out\n" + rest.encode() + b"\n", name):
            made.add(name, entry)
    return made


FILES = {"c.yaml": channel(), "a.yaml": affiliate("medstar"), "b.yaml": affiliate("rush")}


@pytest.mark.parametrize(
    ("rows", "sent"),
    [
        (["medstar,7,RETAIL,,,,"], ["medstar"]),
        (["medstar,E7,MEDSTAR,,,,", "rush,7,RETAIL,,,,"], ["medstar", "rush"]),
        (["medstar,7,OTHER,,,,"], []),
        (["medstar,7,RETAIL,2026-11-20,2026-11-20,,"], ["medstar"]),  # both days inclusive
        (["medstar,7,RETAIL,2026-11-21,,,"], []),  # the event was on the 20th
        (["medstar,7,RETAIL,,2026-11-19,,"], []),
        (["medstar,7,RETAIL,,,,yes"], []),
        (["medstar,7,RETAIL,,,,", "medstar,E7,MEDSTAR,,,,yes"], []),  # an opt-out weighs more
        (
            ["medstar,7,RETAIL,,,,", "medstar,E7,MEDSTAR,,2026-01-01,,yes"],
            ["medstar"],
        ),  # but not one of the past
        (["elsewhere,7,RETAIL,,,,"], []),
    ],
)
def test_affiliates_are_chosen_by_the_roster_on_the_events_date(
    decided: Decide, rows: list[str], sent: list[str]
) -> None:
    decision = decided(FILES, RDS, roster=roster(*rows))
    assert [each.destination for each in decision.outgoing] == sent
    assert all(each.scope == "pharmacy" for each in decision.outgoing)
    assert decision.event_date == date(2026, 11, 20)


def test_the_agreement_must_cover_the_scope_on_the_events_date(decided: Decide) -> None:
    rows = roster("medstar,7,RETAIL,,,,")
    early = RDS.replace(b"20261120", b"20151231")
    trace = Trace()
    assert decided(FILES, early, roster=rows, trace=trace).outgoing == ()
    last = trace.events[-1]
    assert (last.kind, last.says) == (Kind.NOT_TO, "medstar")
    assert "the agreement covers pharmacy from a later day" in last.because
    clinic = {**FILES, "c.yaml": channel("send_to: [{affiliates: clinic}]")}
    assert [each.destination for each in decided(clinic, early, roster=rows).outgoing] == ["medstar"]
    only = {**FILES, "a.yaml": affiliate("medstar").replace(b"clinic: 2014-06-01, ", b"")}
    assert decided({**only, "c.yaml": clinic["c.yaml"]}, RDS, roster=rows).outgoing == ()


class CountingRoster:
    """A roster that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Identifier]] = []

    def rows(self, identifiers: Sequence[Identifier]) -> list[RosterRow]:
        self.asked.append(identifiers)
        return [RosterRow("a007", None, None, None, False)]


def test_one_question_to_the_roster_serves_all_affiliates() -> None:
    files = {"c.yaml": channel("send_to: [{affiliates: pharmacy}, {affiliates: clinic}]")}
    files |= {f"a{n:03}.yaml": affiliate(f"a{n:03}") for n in range(350)}
    asked = CountingRoster()
    received = datetime(2026, 11, 22, tzinfo=UTC)
    decision = decide(load(files), "c", Message(RDS), received=received, sequence=1, roster=asked)
    assert [(each.destination, each.scope) for each in decision.outgoing] == [("a007", "pharmacy")]
    assert asked.asked == [(Identifier(b"7", b"RETAIL", b"PI"), Identifier(b"E7", b"MEDSTAR", b"MR"))]


def test_overlays_and_settings_of_affiliates(decided: Decide) -> None:
    files = {
        "c.yaml": channel(
            "map:\n  - MSH-5: EPIC\n  - MSH-6: ${affiliate.facility}\n"
            "  - PID-4: ${affiliate.name}/${affiliate.id}\n"
            "send_to: [{affiliates: pharmacy}]"
        ),
        "a.yaml": affiliate(
            "medstar",
            "identifiers: {authority: MEDSTAR, type: MR}\n"
            "map:\n  - PID-2: {from: 'PID-3[4=${affiliate.authority}].1'}\n  - MSH-5: CERNER\n",
        ),
        "b.yaml": affiliate("rush"),
    }
    decision = decided(files, RDS, roster=roster("medstar,7,RETAIL,,,,", "rush,7,RETAIL,,,,"))
    medstar, rush = (Message(each.payload) for each in decision.outgoing)
    assert [medstar.header.field(n) for n in (5, 6)] == [b"CERNER", b"FAC-medstar"]
    assert medstar.segments[1].field(2) == b"E7"
    assert medstar.segments[1].field(4) == b"medstar Health/medstar"
    assert [rush.header.field(n) for n in (5, 6)] == [b"EPIC", b"FAC-rush"]
    assert rush.segments[1].field(2) == b""


def test_payloads_without_overlay_are_one_object(decided: Decide) -> None:
    files = {**FILES, "c.yaml": channel("map: [{MSH-5: X}]\nsend_to: [{affiliates: pharmacy}]")}
    rows = roster("medstar,7,RETAIL,,,,", "rush,7,RETAIL,,,,")
    first, second = decided(files, RDS, roster=rows).outgoing
    assert first.payload is second.payload


def test_a_fault_in_an_overlay_fails_that_delivery_alone(decided: Decide) -> None:
    files = {**FILES, "a.yaml": affiliate("medstar", "map: [{keep: 'PID-3[4=NONE]'}]")}
    rows = roster("medstar,7,RETAIL,,,,", "rush,7,RETAIL,,,,")
    decision = decided(files, RDS, roster=rows)
    assert (decision.status, decision.answer) == ("RECEIVED", "AA")
    assert [(each.destination, each.error) for each in decision.outgoing] == [
        ("medstar", "a.yaml:6:14: keep leaves nothing of PID-3"),
        ("rush", None),
    ]


@pytest.mark.parametrize(
    ("status", "processing", "msh_11", "refused"),
    [
        ("live", "", b"P", None),
        ("live", "", b"T", "processing: MSH-11 is not P"),
        ("live", "", b"", "processing: MSH-11 is not P"),
        ("live", "", b"P^T", None),
        ("live", "processing: [P, T]", b"T", None),
        ("live", "processing: [P, T]", b"D", "processing: MSH-11 is not P or T"),
        ("live", "processing: any", b"", None),
        ("test", "", b"T", None),
        ("test", "processing: any", b"P", "processing: MSH-11 is not T"),
        ("shadow", "", b"P", "shadow: kept, nothing is sent"),
    ],
)
def test_what_is_kept_and_not_sent(
    decided: Decide, status: str, processing: str, msh_11: bytes, refused: str | None
) -> None:
    files = {**FILES, "a.yaml": affiliate("medstar", f"status: {status}\n{processing}")}
    message = RDS.replace(b"|P|2.5.1", b"|" + msh_11 + b"|2.5.1")
    [outgoing] = decided(files, message, roster=roster("medstar,7,RETAIL,,,,")).outgoing
    assert outgoing.refused == refused
    assert outgoing.payload == message


def test_a_map_cannot_make_a_training_message_live(decided: Decide) -> None:
    files = {**FILES, "c.yaml": channel("map: [{MSH-11: P}]\nsend_to: [{affiliates: pharmacy}]")}
    message = RDS.replace(b"|P|2.5.1", b"|T|2.5.1")
    [outgoing] = decided(files, message, roster=roster("medstar,7,RETAIL,,,,")).outgoing
    assert outgoing.refused == "processing: MSH-11 is not P"


OUT = b"destination: out\nsend: {mllp: {host: h, port: 6000}}\n"


def keys_of(decided: Decide, message: bytes, order: str = "patient") -> tuple[bytes, ...]:
    files = {"c.yaml": channel("send_to: [out]"), "out.yaml": OUT + f"order: {order}\n".encode()}
    return decided(files, message).outgoing[0].keys


def test_order_keys(decided: Decide) -> None:
    assert keys_of(decided, RDS) == (b"7\x00RETAIL",)
    assert keys_of(decided, RDS, "none") == ()
    assert keys_of(decided, RDS, "strict") == (b"*",)
    assert keys_of(decided, b"MSH|^~\\&|||||||RDS^O13||P\r") == (b"source\x00c",)
    merge = b"MSH|^~\\&|||||||ADT^A40||P\rPID|||7^^^R\rMRG|8^^^R\rPID|||9^^^R\rMRG|10^^^R\r"
    assert keys_of(decided, merge) == (b"7\x00R", b"9\x00R", b"8\x00R", b"10\x00R")
    assert keys_of(decided, merge.replace(b"A40", b"A08")) == (b"7\x00R",)


def test_control_ids_of_its_own(decided: Decide) -> None:
    files = {
        "c.yaml": channel("split: {each: RXD, with: [ORC]}\nsend_to: [out, two]"),
        "out.yaml": OUT + b"control_id: own\n",
        "two.yaml": OUT.replace(b"out", b"two") + b"control_id: own\n",
    }
    decision = decided(files, RDS + b"ORC|RE\rRXD|2|y\r")
    ids = [Message(each.payload).control_id for each in decision.outgoing]
    assert len(set(ids)) == 4
    assert all(len(each) == 20 and each.isalnum() for each in ids)
    assert ids == [
        Message(each.payload).control_id for each in decided(files, RDS + b"ORC|RE\rRXD|2|y\r").outgoing
    ]


def test_routes_by_condition_name_and_in_place(decided: Decide) -> None:
    files = {
        "c.yaml": channel(
            "map: [{MSH-6: NORTH}]\n"
            "send_to:\n"
            "  - out\n"
            "  - {when: {MSH-6: NORTH, received: {between: ['20:00', '22:00']}}, to: [north, out]}\n"
            "  - {when: {MSH-6: SOUTH}, to: south}\n"
            "  - {destination: south, send: {file: {folder: x}}, map: [{MSH-6: ''}]}\n"
        ),
        "out.yaml": OUT,
        "north.yaml": OUT.replace(b"out", b"north"),
    }
    decision = decided(files, RDS)
    assert [each.destination for each in decision.outgoing] == ["out", "north", "south"]
    assert Message(decision.outgoing[2].payload).header.field(6) == b""
    configuration = load(files)
    assert configuration.destinations["south"].file is not None
    assert configuration.channels["c"].destinations == ("out", "north", "south")


def two_channels(source: str = "", second: str = "", first: str = "") -> dict[str, bytes]:
    return {
        "sources/feed.yaml": b"source: feed\nmllp: {port: 2575}\n" + source.encode(),
        "one.yaml": f"channel: one\nsource: feed\naccept: [RDS^O13]\n{first}\nsend_to: [out]\n".encode(),
        "two.yaml": f"channel: two\nsource: feed\naccept: ['RDS^*', ADT^A01]\n{second}\n".encode()
        + b"send_to: [out]\n",
        "out.yaml": OUT,
    }


BROKEN = "map: [{keep: 'PID-3[4=NONE]'}]"


@pytest.mark.parametrize(
    ("source", "first", "second", "status", "answer", "sent"),
    [
        ("", "", "", "RECEIVED", "AA", 2),
        ("", BROKEN, "", "ERROR", "AA", 1),
        ("", BROKEN, BROKEN, "ERROR", "AE", 0),
        ("errors: {answer: AA}", BROKEN, BROKEN, "ERROR", "AA", 0),
        ("", BROKEN + "\nerrors: {answer: AA}", BROKEN, "ERROR", "AE", 0),
        ("", BROKEN, "filter: {MSH-3: NO}", "ERROR", "AA", 0),
        ("", "filter: {MSH-3: NO}", "filter: {MSH-3: NO}", "FILTERED", "AA", 0),
        ("", "", "filter: {MSH-3: NO}", "RECEIVED", "AA", 1),
    ],
)
def test_what_goes_wrong_stays_in_its_channel(
    decided: Decide, source: str, first: str, second: str, status: str, answer: str, sent: int
) -> None:
    decision = decided(two_channels(source, second, first), RDS, source="feed")
    assert (decision.status, decision.answer, len(decision.outgoing)) == (status, answer, sent)
    assert bool(decision.errors) == (answer == "AE")
    assert all(error.code == "207" for error in decision.errors)


@pytest.mark.parametrize(
    ("type_", "source", "status", "answer", "code"),
    [
        (b"RDS^O13", "", "RECEIVED", "AA", None),
        (b"RDS^O01", "", "RECEIVED", "AA", None),
        (b"RDS^013", "", "RECEIVED", "AA", None),
        (b"RDS^O13^RDS_O13", "", "RECEIVED", "AA", None),
        (b"ADT^A08", "", "REJECTED", "AR", "201"),
        (b"ORU^R01", "", "REJECTED", "AR", "200"),
        (b"ORU^R01", "unaccepted: AA", "FILTERED", "AA", None),
    ],
)
def test_what_is_accepted(
    decided: Decide, type_: bytes, source: str, status: str, answer: str, code: str | None
) -> None:
    decision = decided(two_channels(source), RDS.replace(b"RDS^O13", type_), source="feed")
    assert (decision.status, decision.answer) == (status, answer)
    assert [error.code for error in decision.errors] == ([] if code is None else [code])
    assert decision.flags == (() if status == "RECEIVED" else ("unaccepted",))


def test_lenient_can_be_turned_off(decided: Decide) -> None:
    strict = {"c.yaml": channel("accept: RDS^O13\nlenient: false\nsend_to: [out]"), "out.yaml": OUT}
    assert decided(strict, RDS).status == "RECEIVED"
    assert decided(strict, RDS.replace(b"^O13", b"^O01")).status == "REJECTED"


@pytest.mark.parametrize(
    ("message", "expected", "future"),
    [
        (b"MSH|^~\\&|||||20261121233000||RDS^O13\rRXD|1||20261119", date(2026, 11, 19), False),
        (b"MSH|^~\\&|||||20261121233000||RDS^O13\rRXD|1||", date(2026, 11, 21), False),
        (b"MSH|^~\\&|||||20261121||RDE^O11\rORC|||||||||20261118|||||||20261117", date(2026, 11, 18), False),
        (b"MSH|^~\\&|||||20261121||RDE^O11\rORC|||||||||||||||20261117", date(2026, 11, 17), False),
        (b"MSH|^~\\&|||||20261121||ORU^R01\rOBR|||||||20261116", date(2026, 11, 16), False),
        (b"MSH|^~\\&|||||20261121||ADT^A01\rEVN||20261115||||20261114", date(2026, 11, 14), False),
        (b"MSH|^~\\&|||||20261121||ADT^A01\rEVN||20261115", date(2026, 11, 15), False),
        (b"MSH|^~\\&|||||20261121||MDM^T02\rOBR|||||||20261116", date(2026, 11, 21), False),
        (b"MSH|^~\\&|||||20261121030000+0000||MDM^T02", date(2026, 11, 20), False),  # 22:00 in New York
        (b"MSH|^~\\&|||||nonsense||MDM^T02", date(2026, 11, 21), False),  # the received date there
        (b"MSH|^~\\&|||||||MDM^T02", date(2026, 11, 21), False),
        (b"MSH|^~\\&|||||20261122||MDM^T02", date(2026, 11, 22), False),  # within a day
        (b"MSH|^~\\&|||||20261124||MDM^T02", date(2026, 11, 21), True),
        (b"MSH|^~\\&|||||20261121||RDS^O13\rRXD|1||20991231", date(2026, 11, 21), True),
        (b"MSH|^~\\&|||||20261121||RDS^O13\rRXD|1||20260230", date(2026, 11, 21), False),
    ],
)
def test_the_events_date(decided: Decide, message: bytes, expected: date, future: bool) -> None:
    files = {"c.yaml": channel("send_to: [out]"), "out.yaml": OUT}
    decision = decided(files, message, received=datetime(2026, 11, 22, 2, 0, tzinfo=UTC))
    assert decision.event_date == expected
    assert decision.flags == (("future-event-date",) if future else ())


def test_defaults_of_the_engine(loaded: Callable[..., Any]) -> None:
    configuration = loaded(
        {
            "hl7bridge.yaml": b"data: /var/lib/bridge\nretention: {messages: 90d, patients: 3y}\nstore: {free: 2 GB}\n"
            b"defaults:\n  source: {duplicates: 1h, zone: America/Chicago}\n"
            b"  destination: {order: strict, send: {timeout: 9s}, retry: {first: 1s}}\n",
            "c.yaml": b"channel: c\nsource: {mllp: {port: 1}}\nsend_to: [out, two]\n",
            "out.yaml": OUT,
            "two.yaml": OUT.replace(b"out", b"two").replace(b"}}", b"}, timeout: 5s}") + b"order: none\n",
        }
    )
    assert configuration.engine.data == "/var/lib/bridge"
    assert configuration.engine.retention_s == 90 * 86400
    assert configuration.engine.patient_retention_s == 3 * 366 * 86400
    assert configuration.engine.free_bytes == 2_000_000_000
    assert configuration.sources["c"].duplicates_s == 3600
    assert str(configuration.sources["c"].zone) == "America/Chicago"
    out, two = configuration.destinations["out"], configuration.destinations["two"]
    assert (out.order, out.timeout_s, out.retry.first_s) == ("strict", 9, 1)
    assert (two.order, two.timeout_s, two.retry.first_s) == ("none", 5, 1)


def test_the_version_names_what_decides() -> None:
    files = {"c.yaml": channel("send_to: [out]"), "out.yaml": OUT, "tables/t.csv": b"a,b\n1,2\n"}
    first = load(files)
    assert set(first.files) == set(files)
    assert load({**files, "notes.txt": b"x", "rosters/r.csv": b"id,authority\n"}).version == first.version
    assert load({**files, "tables/t.csv": b"a,b\n1,3\n"}).version != first.version


def test_a_kept_configuration_is_read_without_its_secrets() -> None:
    files = {
        "c.yaml": b"channel: c\nsource: {mllp: {port: '${env.PORT}'}}\nmap: [{MSH-6: '${env.SITE}'}]\nsend_to: [out]\n",
        "out.yaml": b"destination: out\nsend: {mllp: {host: '${env.HOST}', port: '${file./run/port}'}, timeout: 5s}\n",
    }
    assert load(files, any_secret, kept=True).secret_names
    with pytest.raises(ConfigurationErrors):
        load(files, lambda _: "", kept=True)

"""What the programme learns, into the tables of an SQLite store: facts, identifiers of one patient, and when to look again.

Refuses to know what a fact means. Works within the writer's transaction; raises sqlite3.Error.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from hl7bridge.store.base import HeldPatient, Look, NewMessage, NoticeRow, VerdictRow
from hl7bridge.store.checks import AT_ONCE, news_of
from hl7bridge.store.sqlite import sql

_PROGRAMME = sql.load("programme.sql")


def learn(conn: sqlite3.Connection, messages: Iterable[NewMessage]) -> None:
    """Keeps what messages say and tell; what is known already changes nothing."""
    facts: list[tuple[int, int, int, bytes]] = []
    aliases: list[tuple[int, int, bool, int]] = []
    looks: list[tuple[int, int]] = []
    notices: list[NoticeRow] = []
    for m in messages:
        if m.facts:
            patient = m.patient_keys[0]
            facts += [(patient, digest, m.id, data) for digest, data in m.facts]
        if m.facts or m.aliases:
            looks += [(patient, m.received_us) for patient in news_of(m)]
        for key, other, merged in m.aliases:
            aliases += [(key, other, merged, m.id), (other, key, merged, m.id)]
        if m.notices:
            notices += m.notices
    if facts:
        conn.executemany(_PROGRAMME["insert_fact"], facts)
    if looks:
        conn.executemany(_PROGRAMME["look_soon"], looks)
    if aliases:
        conn.executemany(_PROGRAMME["insert_alias"], aliases)
    if notices:
        tell(conn, notices)


def tell(conn: sqlite3.Connection, notices: Iterable[NoticeRow]) -> None:
    """Keeps how what was told stands."""
    conn.executemany(_PROGRAMME["upsert_notice"], notices)


def settle(conn: sqlite3.Connection, verdicts: Iterable[VerdictRow]) -> None:
    """Keeps what a person settled; the patients are due at once."""
    for v in verdicts:
        for patient, other in dict.fromkeys([(v.patient, v.other), (v.other, v.patient)]):
            row = (patient, other, bool(v.same), v.message_id, v.at_us, v.operator, v.reason)
            conn.execute(_PROGRAMME["upsert_verdict"], row)
            conn.execute(_PROGRAMME["look_soon"], (patient, AT_ONCE))


def hold_patients(conn: sqlite3.Connection, held: Iterable[HeldPatient]) -> None:
    """Keeps whom a person must settle."""
    for each in held:
        if each.reason is None:
            conn.execute(_PROGRAMME["let_patient"], (each.patient,))
        else:
            conn.execute(_PROGRAMME["hold_patient"], (each.patient, each.since_us, each.reason))


def look_again(conn: sqlite3.Connection, looks: Iterable[Look]) -> None:
    """After patients were looked at."""
    for look in looks:
        if look.due_us is None:
            conn.execute(_PROGRAMME["look_no_more"], (look.patient, look.seen))
        else:
            conn.execute(_PROGRAMME["look_again"], (look.due_us, look.patient, look.seen))

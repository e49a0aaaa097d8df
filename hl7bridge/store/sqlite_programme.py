"""What the programme learns, into the tables of an SQLite store: facts, identifiers of one patient, and when to look again.

Refuses to know what a fact means. Works within the writer's transaction; raises sqlite3.Error.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from hl7bridge.store import sql
from hl7bridge.store.base import Look, NewMessage, NoticeRow
from hl7bridge.store.checks import news_of

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


def look_again(conn: sqlite3.Connection, looks: Iterable[Look]) -> None:
    """After patients were looked at."""
    for look in looks:
        if look.due_us is None:
            conn.execute(_PROGRAMME["look_no_more"], (look.patient, look.seen))
        else:
            conn.execute(_PROGRAMME["look_again"], (look.due_us, look.patient, look.seen))

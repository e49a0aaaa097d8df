"""What can be asked of the audit trail in an SQLite store: its rows, those of patients, and whether its index finds them all.

Works on any connection, beside the writer too: what a run does not hold yet is looked for in the rows themselves. Refuses to write and
to judge the chain. Raises sqlite3.Error.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from hl7bridge.store.rows.audit import GENESIS, AuditHead, AuditRow, patients_of
from hl7bridge.store.sqlite import sql

_AUDIT = sql.load("audit.sql")
#: Rows read at a time.
_PAGE = 500


def head_of(conn: sqlite3.Connection) -> AuditHead:
    """The newest row; what retention left where there is none."""
    row = conn.execute(_AUDIT["head"]).fetchone()
    return anchor_of(conn) if row is None else AuditHead(*row)


def anchor_of(conn: sqlite3.Connection) -> AuditHead:
    """The last row that retention took away."""
    row = conn.execute(_AUDIT["anchor"]).fetchone()
    return AuditHead(0, 0, GENESIS) if row is None else AuditHead(*row)


def rows_after(conn: sqlite3.Connection, sequence: int, limit: int) -> list[AuditRow]:
    """A page of the chain."""
    return [AuditRow(*row) for row in conn.execute(_AUDIT["rows"], (sequence, limit)).fetchall()]


def rows_of(conn: sqlite3.Connection, patients: Iterable[int], after: int, limit: int) -> list[AuditRow]:
    """A page of the rows that tell of any of these patients."""
    keys = sorted(set(patients))
    found: list[AuditRow] = []
    last = 0
    for first, last in conn.execute(_AUDIT["runs"]).fetchall():
        if last <= after:
            continue
        sequences: set[int] = set()
        for key in keys:
            asked = (first, key, after, limit)
            sequences.update([row[0] for row in conn.execute(_AUDIT["of_patient"], asked).fetchall()])
        for sequence in sorted(sequences):
            row = conn.execute(_AUDIT["row"], (sequence,)).fetchone()
            if row is not None:  # retention takes rows away before what is indexed of them
                found.append(AuditRow(*row))
                if len(found) == limit:
                    return found
    words = [str(key).encode() for key in keys]
    after = max(after, last)
    while page := rows_after(conn, after, _PAGE):
        for each in page:
            if any(word in each.data for word in words) and not patients_of(each).isdisjoint(keys):
                found.append(each)
                if len(found) == limit:
                    return found
        after = page[-1].sequence
    return found


def unfound(conn: sqlite3.Connection) -> int | None:
    """The first row that the index does not find under one of its patients, or finds under another; None for none."""
    for first, last in conn.execute(_AUDIT["runs"]).fetchall():
        told = set(_told(conn, first, last))
        indexed = set(conn.execute(_AUDIT["run"], (first,)).fetchall())
        oldest = conn.execute(_AUDIT["oldest"], (1,)).fetchone()
        begin = 0 if oldest is None else oldest[0]  # retention may have moved on meanwhile
        wrong = [sequence for _, sequence in told ^ indexed if sequence >= begin]
        if wrong:
            return min(wrong)
    return None


def _told(conn: sqlite3.Connection, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The entries that a run must have, of those of its rows that are left."""
    after = first - 1
    while page := rows_after(conn, after, _PAGE):
        for row in page:
            if row.sequence > last:
                return
            for key in patients_of(row):
                yield key, row.sequence
        after = page[-1].sequence

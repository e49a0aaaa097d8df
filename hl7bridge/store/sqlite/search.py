"""Searches over an SQLite store: messages, deliveries and counts, in pages and in bounded runs.

No statement here reads more than a run of rows before it ends, so that no read transaction stays open long
(an old reader makes the WAL grow). Time narrows a search through the slices, each 256 consecutive messages.
Refuses to know who asks. Raises sqlite3.Error, which the reader turns into the store's own.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from hl7bridge.store.base import (
    DeliveryQuery,
    DeliveryRow,
    DeliveryStatus,
    MessageQuery,
    MessageRow,
    MessageStatus,
    Stats,
)
from hl7bridge.store.sqlite import sql
from hl7bridge.store.sqlite.names import Words
from hl7bridge.store.sqlite.rows import SLICE_BITS, control_id_key, delivery_row, message_row

_SEARCH = sql.load("search.sql")
_READ = sql.load("read.sql")
#: Slices in one statement when every message of them is looked at, and when an index leads.
_RUN, _INDEX_RUN = 400, 8_000
#: Slices counted in one statement.
_COUNTED_RUN = 40
#: Deliveries looked at in one statement.
_DELIVERY_RUN = 50_000
#: Unfinished deliveries up to which they are found by their indexes, and then sorted.
_FEW = 20_000
_MOST_ID = (1 << 63) - 1
_LAST_IN_SLICE = (1 << SLICE_BITS) - 1
_FOREVER = (1 << 62, -(1 << 62))
_UNFINISHED = frozenset((DeliveryStatus.QUEUED, DeliveryStatus.SENDING, DeliveryStatus.FAILED))


class Search:
    """Searches on one connection."""

    def __init__(self, conn: sqlite3.Connection, words: Words) -> None:
        self._conn = conn
        self._words = words

    # Messages

    def messages(
        self, query: MessageQuery, after_id: int | None, limit: int, newest_first: bool
    ) -> list[MessageRow]:
        """A page of messages."""
        conditions, values = self._message_conditions(query)
        if conditions is None or limit <= 0:
            return []
        low, high = _range(after_id, newest_first)
        order = f" ORDER BY m.id{' DESC' if newest_first else ''} LIMIT :limit"
        if query.original is not None:
            runs, statement = iter([(low, high)]), _SEARCH["messages_of_original"]
        elif "key" in values:
            runs = self._runs(low, high, query.since_us, query.until_us, newest_first, _INDEX_RUN)
            statement = _SEARCH["messages_by_key"]
            order = f" ORDER BY s.id{' DESC' if newest_first else ''}, p.message_id" + (
                " DESC LIMIT :limit" if newest_first else " LIMIT :limit"
            )
        elif query.delivery_status in _UNFINISHED and self._few(values, query.delivery_status, False):
            runs, statement = iter([(low, high)]), _SEARCH["messages_unfinished"]
        else:
            runs = self._runs(low, high, query.since_us, query.until_us, newest_first, _RUN)
            statement = _SEARCH["messages"]
        found: list[MessageRow] = []
        for first, last in runs:
            values.update(low=first, high=last, limit=limit - len(found))
            for row in self._conn.execute(statement + conditions + order, values).fetchall():
                found.append(message_row(row, self._words))
            if len(found) >= limit:
                break
        return found

    def _message_conditions(self, query: MessageQuery) -> tuple[str | None, dict[str, Any]]:
        """SQL to append and its values; None where a name is asked for that the store has never seen."""
        parts: list[str] = []
        values: dict[str, Any] = {}
        for column in ("type", "control_id", "status", "original"):
            value = getattr(query, column)
            if value is not None:
                parts.append(f" AND m.{column} = :{column}")
                values[column] = value
        if query.since_us is not None:
            parts.append(" AND m.received_us >= :since_us")
            values["since_us"] = query.since_us
        if query.until_us is not None:
            parts.append(" AND m.received_us < :until_us")
            values["until_us"] = query.until_us
        if query.patient_key is not None:
            values["patient_key"] = values["key"] = query.patient_key
            parts.append(
                " AND EXISTS (SELECT 1 FROM search q WHERE q.slice = m.id >> 8 AND q.key = :patient_key"
                " AND q.message_id = m.id)"
            )
        if query.control_id is not None:
            values["key"] = control_id_key(query.control_id)
        if query.source is not None:
            values["source"] = self._number(query.source)
            parts.append(" AND m.source = :source")
        if query.channel is not None:
            values["outcomes"] = json.dumps(self._outcomes_of(query.channel))
            parts.append(" AND m.outcomes IN (SELECT value FROM json_each(:outcomes))")
        if query.delivery_status is not None or query.destination is not None:
            some = (
                "SELECT 1 FROM delivery d NOT INDEXED WHERE d.id BETWEEN m.first_delivery AND m.last_delivery"
            )
            some += " AND d.message_id = m.id"
            if query.delivery_status is not None:
                values["delivery_status"] = query.delivery_status
                some += " AND d.status = :delivery_status"
            if query.destination is not None:
                values["destination"] = self._number(query.destination)
                some += " AND d.destination = :destination"
            parts.append(f" AND EXISTS ({some})")
        unseen = any(name in values and values[name] is None for name in ("source", "destination"))
        return (None if unseen else "".join(parts)), values

    def _outcomes_of(self, channel: str) -> list[int]:
        rows = self._conn.execute(_SEARCH["outcome_names"]).fetchall()
        return [number for number, text in rows if any(each[0] == channel for each in json.loads(text))]

    def _number(self, word: str) -> int | None:
        row = self._conn.execute(_READ["name_by_text"], (word,)).fetchone()
        return None if row is None else int(row[0])

    def _runs(
        self, low: int, high: int, since_us: int | None, until_us: int | None, newest_first: bool, run: int
    ) -> Iterator[tuple[int, int]]:
        """Ranges of message identifiers, `run` slices in each, in the order wanted."""
        statement = _SEARCH["slices" if newest_first else "slices_oldest_first"]
        asked = {
            "low": low >> SLICE_BITS,
            "high": high >> SLICE_BITS,
            "since_us": _FOREVER[1] if since_us is None else since_us,
            "until_us": _FOREVER[0] if until_us is None else until_us,
            "run": run,
        }
        while True:
            slices = [row[0] for row in self._conn.execute(statement, asked).fetchall()]
            if not slices:
                return
            first, last = min(slices), max(slices)
            yield (
                max(low, first << SLICE_BITS),
                min(high, last << SLICE_BITS | _LAST_IN_SLICE),
            )
            if newest_first:
                asked["high"] = first - 1
            else:
                asked["low"] = last + 1

    # Deliveries

    def deliveries(
        self, query: DeliveryQuery, after_id: int | None, limit: int, newest_first: bool
    ) -> list[DeliveryRow]:
        """A page of deliveries."""
        low, high = _range(after_id, newest_first)
        conditions, values = self._delivery_conditions(query)
        if conditions is None or limit <= 0:
            return []
        if query.message_id is not None:
            row = self._conn.execute(_SEARCH["delivery_range"], (query.message_id,)).fetchone()
            if row is None or row[0] is None:
                return []
            low, high = max(low, row[0]), min(high, row[1])
        order = f" ORDER BY d.id{' DESC' if newest_first else ''} LIMIT :limit"
        if (query.open or query.status in _UNFINISHED) and self._few(values, query.status, query.open):
            of = "deliveries_unfinished" if query.destination is None else "deliveries_unfinished_of"
            runs, statement = iter([(low, high)]), _SEARCH[of]
        else:
            runs, statement = self._delivery_runs(low, high, newest_first), _SEARCH["deliveries"]
        found: list[DeliveryRow] = []
        for first, last in runs:
            values.update(low=first, high=last, limit=limit - len(found))
            for row in self._conn.execute(statement + conditions + order, values).fetchall():
                found.append(delivery_row(row, self._words))
            if len(found) >= limit:
                break
        return found

    def _delivery_conditions(self, query: DeliveryQuery) -> tuple[str | None, dict[str, Any]]:
        parts: list[str] = []
        values: dict[str, Any] = {}
        for column in ("destination", "channel"):
            word = getattr(query, column)
            if word is not None:
                parts.append(f" AND d.{column} = :{column}")
                values[column] = self._number(word)
                if values[column] is None:
                    return None, values
        for column in ("status", "message_id"):
            value = getattr(query, column)
            if value is not None:
                parts.append(f" AND d.{column} = :{column}")
                values[column] = value
        if query.open is not None:
            parts.append(" AND d.status < 2" if query.open else " AND d.status >= 2")
        if query.since_us is not None:
            parts.append(" AND m.received_us >= :since_us")
            values["since_us"] = query.since_us
        if query.until_us is not None:
            parts.append(" AND m.received_us < :until_us")
            values["until_us"] = query.until_us
        return "".join(parts), values

    def _few(self, values: dict[str, Any], status: DeliveryStatus | None, is_open: bool | None) -> bool:
        """Whether few enough deliveries are in such a state for an index to lead; sets the values that it
        needs.
        """
        values["queued"] = status == DeliveryStatus.QUEUED or (status is None and bool(is_open))
        values["sending"] = status == DeliveryStatus.SENDING or (status is None and bool(is_open))
        values["failed"] = status == DeliveryStatus.FAILED
        return bool(self._conn.execute(_SEARCH["count_unfinished"], values).fetchone()[0] <= _FEW)

    def _delivery_runs(self, low: int, high: int, newest_first: bool) -> Iterator[tuple[int, int]]:
        statement = _SEARCH["delivery_run_down" if newest_first else "delivery_run"]
        while True:
            (end,) = self._conn.execute(statement, (low, high, _DELIVERY_RUN)).fetchone()
            if end is None:
                return
            if newest_first:
                yield end, high
                high = end - 1
            else:
                yield low, end
                low = end + 1

    # Counts

    def stats(self, since_us: int) -> Stats:
        """Counts of what was received since a time, and of what is open."""
        found = Stats({}, {}, {}, {})
        words = self._words
        for low, high in self._runs(0, _MOST_ID, since_us, None, True, _COUNTED_RUN):
            values = {"low": low, "high": high, "since_us": since_us}
            rows = self._conn.execute(_SEARCH["message_counts"], values).fetchall()
            for both, count, _, _ in rows:
                one = (words[both >> 3], MessageStatus(both & 7))
                found.messages[one] = found.messages.get(one, 0) + count
            values["first"] = min((first for _, _, first, _ in rows if first is not None), default=0)
            values["last"] = max((last for _, _, _, last in rows if last is not None), default=-1)
            (some,) = self._conn.execute(_SEARCH["earlier"], values).fetchone()
            counts = _SEARCH["delivery_counts_since" if some else "delivery_counts"]
            for both, count in self._conn.execute(counts, values).fetchall():
                two = (words[both >> 3], DeliveryStatus(both & 7))
                found.deliveries[two] = found.deliveries.get(two, 0) + count
        for number, count in open_counts(self._conn).items():
            found.open[words[number]] = count
            row = self._conn.execute(_SEARCH["first_open"], (number,)).fetchone()
            if row is not None:
                found.oldest_open_us[words[number]] = row[0]
        return found


def open_counts(conn: sqlite3.Connection) -> dict[int, int]:
    """How many deliveries are open, by the number of their destination's name."""
    counts: dict[int, int] = dict(conn.execute(_READ["queued_by_destination"]).fetchall())
    for destination, count in conn.execute(_READ["sending_by_destination"]).fetchall():
        counts[destination] = counts.get(destination, 0) + count
    return counts


def _range(after_id: int | None, newest_first: bool) -> tuple[int, int]:
    """The identifiers, both inclusive, that may follow `after_id`."""
    if after_id is None:
        return 0, _MOST_ID
    return (0, after_id - 1) if newest_first else (after_id + 1, _MOST_ID)

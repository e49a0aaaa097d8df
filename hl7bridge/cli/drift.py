"""drift."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import click

from hl7bridge.cli.options import (
    Moment,
    data_option,
    echo_json,
    json_option,
    must_be_known,
    tell_view,
    unrecorded_option,
)
from hl7bridge.cli.tables import table
from hl7bridge.cli.times import At
from hl7bridge.hl7.names import field_name, segment_name
from hl7bridge.operations import Operations
from hl7bridge.store.base import SeenKind, SeenRow
from hl7bridge.words import counted


@click.command()
@data_option
@click.option("--since", "since_us", type=Moment(), default="7d", show_default=True, help="Seen since.")
@click.option("--until", "until_us", type=Moment(), help="Seen before that.")
@click.option("--source", help="Only what this source sent.")
@click.option("--type", "type_", help="Only in messages of this type, as ADT^A08.")
@click.option("--concerned", is_flag=True, help="Only what a line of the configuration is concerned by.")
@click.option("--values", is_flag=True, help="Show the codes, out of the messages that brought them.")
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    help="The most rows, the newest of them; 0 for all.",
)
@unrecorded_option
@json_option
def drift(
    data: Path,
    since_us: int,
    until_us: int | None,
    source: str | None,
    type_: str | None,
    concerned: bool,
    values: bool,
    limit: int,
    unrecorded: bool,
    as_json: bool,
) -> None:
    """List what feeds sent that they had never sent before: types of messages, segments, fields, codes, lengths.

    What comes in the first two weeks of a feed, a segment or a field is learned and not listed (`drift: {learn: 14d}` in
    hl7bridge.yaml). Under `concerns` stands the line of the configuration that reads the place, and the table that lacks the code:
    for these the engine alerts. Lengths go by powers of two.
    """
    with Operations(data) as operations:
        until_us = int(time.time() * 1e6) if until_us is None else until_us
        found = [
            row
            for row in operations.news(since_us, until_us)
            if source in (None, row.source)
            and type_ in (None, row.type or row.place)
            and (row.concern is not None or not concerned)
        ]
        if not found:
            must_be_known(operations, {"source": source})
        shown = found[-limit:] if limit else found
        codes = _codes(operations, shown, unrecorded) if values else {}
        if as_json:
            for row in shown:
                plain = row._asdict() | {"kind": SeenKind(row.kind).name, "length": _length(row)}
                del plain["value"], plain["learned"]
                echo_json(plain | ({"code": codes.get(row)} if values else {}))
            return
        table(
            [
                "first seen",
                "source",
                "type",
                "new",
                "where",
                *(["code"] if values else []),
                "message",
                "concerns",
            ],
            [
                [
                    At(row.at_us),
                    row.source,
                    row.type or row.place,
                    _what(row),
                    _where(row),
                    *([codes.get(row, "")] if values else []),
                    str(row.message_id),
                    row.concern or "",
                ]
                for row in shown
            ],
            none=_nothing(operations),
        )
        if len(found) > len(shown):
            click.echo(f"{counted(len(found) - len(shown), 'older row')} not shown (--limit 0)", err=True)


def _nothing(operations: Operations) -> str:
    if operations.reader.watched() is None:
        return "no messages were looked at (drift: off, or the engine has not come to them yet)"
    return "nothing that had not been seen before (what a feed shows in its first weeks is learned: drift: {learn: 14d})"


def _codes(operations: Operations, rows: Iterable[SeenRow], unrecorded: bool) -> dict[SeenRow, str]:
    """The codes of rows, out of their messages; the audit trail is told of each message first."""
    coded = [row for row in rows if row.kind == SeenKind.CODE]
    for message_id in sorted({row.message_id for row in coded}):
        detail = operations.reader.message(message_id)
        if detail is not None:
            keys = detail.row.patient_keys
            tell_view(operations, "drift --values", message=message_id, patients=keys, unrecorded=unrecorded)
    return {row: operations.code_seen(row) or "(the message is gone)" for row in coded}


def _what(row: SeenRow) -> str:
    return {
        SeenKind.TYPE: "type of messages",
        SeenKind.LENGTH: f"length of {_length(row)} bytes",
        SeenKind.MANY: "too many codes to watch",
    }.get(SeenKind(row.kind), SeenKind(row.kind).name.lower())


def _length(row: SeenRow) -> str | None:
    """The lengths that have so many binary digits."""
    if row.kind != SeenKind.LENGTH:
        return None
    first, last = 1 << row.value - 1, (1 << row.value) - 1
    return str(first) if first == last else f"{first:,} to {last:,}"


def _where(row: SeenRow) -> str:
    if row.kind == SeenKind.TYPE:
        return ""
    name = segment_name(row.place) if "-" not in row.place else field_name(row.place)
    return f"{row.place} {name}" if name else row.place

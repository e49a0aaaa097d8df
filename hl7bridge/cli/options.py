"""Options and forms that several commands share: the data folder, filters over messages, times, JSON."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click

from hl7bridge.channel.written.named import Named
from hl7bridge.cli.times import iso
from hl7bridge.operations import Operations
from hl7bridge.store.base import DeliveryStatus, MessageQuery, MessageStatus

Command = TypeVar("Command", bound=Callable[..., Any])

#: The largest identifier of a message or a delivery that a store can be asked about.
MOST_ID = (1 << 63) - 1
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Moment(click.ParamType):
    """A point in time: an age (15m, 2h, 7d) or a date with or without a time, in the local zone. Microseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        age = _AGE.fullmatch(value.strip())
        try:
            if age:
                moment = datetime.now(UTC) - timedelta(seconds=float(age[1]) * _SECONDS[age[2]])
            else:
                moment = datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):  # the calendar has ends
            self.fail(
                f"'{value}' is neither an age like 2h or 7d nor a date like 2026-11-21 or 2026-11-21T22:00"
            )
        return int(moment.timestamp() * 1e6)


class Number(click.FloatRange):
    """A finite number, with a fraction or without, within bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"'{value}' is no number", param, ctx)
        return found


class OutputFile(click.Path):
    """A file that a command writes when it is done: whether it can is seen before it begins."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"{path}: this file cannot be written: there is no folder {path.parent}", param, ctx)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            self.fail(f"{path}: this file cannot be written: it is not allowed", param, ctx)
        return path


def data_option(command: Command) -> Command:
    """--data: the engine's folder."""
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="HL7BRIDGE_DATA",
        default=Path("data"),
        show_default=True,
        help="The engine's data folder (also HL7BRIDGE_DATA).",
    )(command)


def json_option(command: Command) -> Command:
    """--json: one JSON object a line, for machines."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")(command)


def unrecorded_option(command: Command) -> Command:
    """--unrecorded: for commands that show patients' data."""
    return click.option(
        "--unrecorded",
        is_flag=True,
        help="Show it although the audit trail cannot be told of it (a full disk, an engine that hangs).",
    )(command)


def tell_view(
    operations: Operations,
    command: str,
    *,
    message: int | None = None,
    patients: Sequence[int] = (),
    unrecorded: bool,
) -> None:
    """Tells the audit trail what is about to be shown. Raises Unrecorded where it cannot, unless told not to."""
    if not operations.view(command, message=message, patients=patients, unrecorded=unrecorded):
        click.echo("hl7bridge: what follows is not in the audit trail: it could not be told", err=True)


def filter_options(command: Command) -> Command:
    """The filters that `messages` and `replay` share."""
    options = [
        click.option("--channel", help="A channel that looked at it."),
        click.option("--source", help="The source that received it."),
        click.option("--type", "type_", help="Message type, as RDE^O11."),
        click.option("--patient", help="NUMBER^AUTHORITY of the patient, as in PID-3."),
        click.option("--control-id", help="MSH-10."),
        click.option("--status", type=_names(MessageStatus), help="What became of the message."),
        click.option("--destination", help="A destination that it was decided for."),
        click.option(
            "--delivery",
            "delivery_status",
            type=_names(DeliveryStatus),
            help="Where a delivery of it stands.",
        ),
        click.option("--since", "since_us", type=Moment(), help="Received since: an age (2h, 7d) or a date."),
        click.option("--until", "until_us", type=Moment(), help="Received before that."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _names(statuses: Any) -> click.Choice[str]:
    return click.Choice([each.name for each in statuses], case_sensitive=False)


def query_from(operations: Operations, given: dict[str, Any]) -> dict[str, Any]:
    """The fields of a MessageQuery, statuses by name, from the filter options; only those that were given."""
    query = {
        "channel": given["channel"],
        "source": given["source"],
        "type": given["type_"],
        "control_id": given["control_id"],
        "status": given["status"] and given["status"].upper(),
        "destination": given["destination"],
        "delivery_status": given["delivery_status"] and given["delivery_status"].upper(),
        "since_us": given["since_us"],
        "until_us": given["until_us"],
        "patient_key": operations.patient_key(given["patient"]) if given["patient"] else None,
    }
    return {key: value for key, value in query.items() if value is not None}


def must_be_known(operations: Operations, given: Mapping[str, Any]) -> None:
    """For filters that found nothing: raises HL7BridgeError where one of them is a name that nothing ever had."""
    for kind in Named:
        if given.get(kind):
            operations.must_be_known(kind, given[kind])


def message_query(fields: dict[str, Any]) -> MessageQuery:
    """The query that these fields name."""
    fields = dict(fields)
    if "status" in fields:
        fields["status"] = MessageStatus[fields["status"]]
    if "delivery_status" in fields:
        fields["delivery_status"] = DeliveryStatus[fields["delivery_status"]]
    return MessageQuery(**fields)


def echo_json(row: Any) -> None:
    """One object on one line; statuses by name, days and times in ISO form, times beside their microseconds."""
    click.echo(json.dumps(_plain(row), ensure_ascii=False))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        plain = {str(key): _plain(each) for key, each in value.items()}
        for key in [key for key in plain if key.endswith("_us")]:
            plain[key[:-3]] = iso(value[key])
        return plain
    if isinstance(value, MessageStatus | DeliveryStatus):
        return value.name
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value

"""What a replay would do, shown before anything moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import click

from hl7bridge.changes.preview import Plan, Planned, Planning, Wish
from hl7bridge.changes.versions import RUNNING, version
from hl7bridge.cli.options import echo_json
from hl7bridge.cli.tables import console, table
from hl7bridge.cli.times import At, zoned
from hl7bridge.engine.receiving.in_time import bounded
from hl7bridge.errors import HL7BridgeError
from hl7bridge.operations import Operations
from hl7bridge.store.base import MessageRow
from hl7bridge.words import counted

#: Messages that are listed one by one; --json has all.
LISTED: Final = 20
#: Differences that are listed.
MOST_DIFFERENCES: Final = 20
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


class Looking:
    """For one replay: what was asked for, and at what rate, in messages a second (0: without limit)."""

    def __init__(self, operations: Operations, wish: Wish, rate: float) -> None:
        self._operations = operations
        self._wish = wish
        self._rate = rate

    def show(
        self, rows: Iterable[MessageRow], among: Sequence[int], *, as_json: bool = False, stderr: bool = False
    ) -> None:
        """Shows what becomes of these messages, of which `among` are the identifiers, rising. JSON has each message as soon as it was
        looked at, and what they come to last.
        """
        reader = self._operations.reader
        running = version(RUNNING, reader)
        configuration = running.load()
        self._must_be_known(configuration.destinations)
        planning = Planning(reader, configuration, self._wish, among)
        listed: list[Planned] = []
        telling = 0
        with bounded(), console(stderr=True).status("looking at messages") as status:
            for number, each in enumerate(planning.each(rows), 1):
                if as_json:
                    echo_json(_plain(each))
                elif each.to or each.otherwise or each.fails:
                    telling += 1
                    if telling <= LISTED:
                        listed.append(each)
                if number % 100 == 0:
                    status.update(f"{number:,} of {len(among):,} messages looked at")
        if as_json:
            echo_json(self._plain(planning.plan, configuration.version))
            return
        self._show(planning.plan, configuration.version, listed, telling, stderr)

    def _must_be_known(self, destinations: Iterable[str]) -> None:
        for name in self._wish.to or ():
            if name not in destinations:
                raise HL7BridgeError(
                    f"there is no destination {name}",
                    code="unknown-destination",
                    hint=", ".join(sorted(destinations)),
                )

    def _show(self, plan: Plan, version: str, listed: Sequence[Planned], telling: int, stderr: bool) -> None:
        """`listed`: the first of `telling` messages that go to somebody, are decided differently, or fail."""

        def say(line: str) -> None:
            click.echo(line, err=stderr)

        say(self._first_line(plan, version))
        for reason, count in plan.skipped.most_common():
            say(f"  {counted(count, 'message')} left out: {reason}")
        if not plan.messages:
            return
        say(f"  {self._duration(plan)}")
        names = sorted(plan.deliveries)
        held = self._operations.reader.held()
        table(
            [
                "destination",
                "deliveries",
                "acknowledged before",
                "with newer messages",
                "waiting already",
                "remark",
            ],
            [
                [
                    name,
                    plan.deliveries[name],
                    plan.acknowledged[name],
                    plan.newer[name],
                    self._operations.reader.open_count(name),
                    "held: nothing leaves before it is released" if name in held else "",
                ]
                for name in names
            ],
            none="nothing of it would go to anybody",
            stderr=stderr,
        )
        for line in _warnings(plan):
            say(line)
        _show_otherwise(plan, self._wish, stderr)
        if listed:
            _show_messages(listed, stderr)
        if len(listed) < telling:
            say(f"the first {len(listed)} of {telling:,}; --dry-run --json has all")
        if silent := plan.messages - telling:
            say(f"{counted(silent, 'message')} would go to nobody: not listed")

    def _first_line(self, plan: Plan, version: str) -> str:
        how = (
            "go again, as they were"
            if self._wish.as_it_was
            else f"be decided again, through the channels of configuration {version[:12]}"
        )
        said = f"{counted(plan.messages, 'message')} would {how}"
        if plan.first is None or plan.last is None:
            return said
        first, last = plan.first, plan.last
        return f"{said}, the oldest first: from {first.id} ({zoned(first.received_us)}) to {last.id} ({zoned(last.received_us)})"

    def _duration(self, plan: Plan) -> str:
        if self._rate <= 0:
            return "as fast as the engine has time: --rate limits it, so that what comes meanwhile is not held up"
        return f"at {self._rate:g} a second: about {_long(plan.messages / self._rate)}"

    def _plain(self, plan: Plan, version: str) -> dict[str, Any]:
        names = sorted(plan.deliveries)
        return {
            "messages": plan.messages,
            "deliveries": sum(plan.deliveries.values()),
            "version": version,
            "as_it_was": self._wish.as_it_was,
            "first": plan.first and plan.first.id,
            "last": plan.last and plan.last.id,
            "skipped": dict(plan.skipped),
            "rate": self._rate,
            "seconds": plan.messages / self._rate if self._rate > 0 else None,
            "destinations": [
                {
                    "destination": name,
                    "deliveries": plan.deliveries[name],
                    "acknowledged": plan.acknowledged[name],
                    "with_newer": plan.newer[name],
                    "waiting": self._operations.reader.open_count(name),
                    "held": name in self._operations.reader.held(),
                }
                for name in names
            ],
            "acknowledged_types": dict(plan.acknowledged_types),
            "patients_with_newer": plan.newer_patients,
            "decided_otherwise": plan.otherwise.differing,
            "failing": plan.failing,
        }


def _plain(each: Planned) -> dict[str, Any]:
    row = each.row
    return {
        "message": row.id,
        "received_us": row.received_us,
        "source": row.source,
        "type": row.type,
        "control_id": row.control_id,
        "skipped": each.skipped,
        "to": list(each.to),
        "acknowledged": list(each.acknowledged),
        "newer": each.newer,
        "otherwise": list(each.otherwise),
        "fails": list(each.fails),
    }


def _warnings(plan: Plan) -> Iterator[str]:
    """What can harm, or will not help."""
    if plan.failing:
        yield f"{counted(plan.failing, 'message')} would not go, wholly or to a destination: the list says why"
    if plan.acknowledged_types:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in plan.acknowledged_types.most_common())
        total = sum(plan.acknowledged_types.values())
        yield f"{counted(total, 'message')} acknowledged before ({kinds}): a repeated order or dispense can be carried out twice"
    if plan.newer_patients:
        patients = counted(plan.newer_patients, "patient")
        yield f"{patients} of whom a destination has newer messages, which do not go again: it would be taken back to an older state"


def _show_otherwise(plan: Plan, wish: Wish, stderr: bool) -> None:
    if wish.as_it_was:
        return
    found = plan.otherwise.ordered()
    table(
        ["messages", "of", "what is decided differently now", "for example"],
        [
            [each.count, signature.of, signature.what, ", ".join(map(str, each.examples[:3]))]
            for signature, each in islice(found, MOST_DIFFERENCES)
        ],
        none="all of it is decided as it was",
        stderr=stderr,
    )
    if len(found) > MOST_DIFFERENCES:
        click.echo(
            f"the first {MOST_DIFFERENCES} of {len(found)} differences; --dry-run --json has each message's",
            err=stderr,
        )


def _show_messages(listed: Sequence[Planned], stderr: bool) -> None:
    table(
        ["message", "received", "type", "control ID", "to", "acknowledged by", "newer", "remark"],
        [
            [
                str(each.row.id),
                At(each.row.received_us),
                each.row.type,
                each.row.control_id,
                ", ".join(each.to),
                ", ".join(each.acknowledged),
                each.newer,
                "; ".join([*(f"does not go: {what}" for what in each.fails), *each.otherwise]),
            ]
            for each in listed
        ],
        stderr=stderr,
    )


def _long(seconds: float) -> str:
    """A span in its two largest units."""
    left = max(1, round(seconds))
    said: list[str] = []
    for size, name in _UNITS:
        number, left = divmod(left, size)
        if number:
            said.append(counted(number, name))
    return " ".join(said[:2])

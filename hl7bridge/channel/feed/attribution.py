"""`roster:` of a channel's `programme`: a hospital's own feed keeps its affiliate's roster up.

    roster: medstar                                   # or with what ends an assignment:
    roster: {affiliate: medstar, ended: {PV1-18: LEFT}}

A01, A28 and A31 say that the patient is on the affiliate's list from the event's day, with the primary care provider of PD1-4 by NPI.
A message for which `ended` holds says that the list ends with that day. The patient is known by the numbers of the affiliate's own
authority (`identifiers:` in its file), by all of PID-3 where it names none. Raises nothing; mistakes are named.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from hl7bridge.channel.feed.npi import says_npi
from hl7bridge.channel.rules.condition import Condition, read_condition
from hl7bridge.channel.rules.scope import Scope
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.written.language import CONDITIONS, NameOf
from hl7bridge.channel.written.model import Text, Wrong
from hl7bridge.channel.written.record import Field, OneOf, Record, Values
from hl7bridge.hl7.identifiers import Identifier
from hl7bridge.hl7.message import Message

_NAME: Final = NameOf("affiliate", Text("the name of an affiliate"))
#: Messages that say that somebody is a patient of theirs.
_ON_LIST: Final = frozenset({"ADT^A01", "ADT^A28", "ADT^A31"})

ROSTER_KEPT: Final = OneOf(
    text=_NAME,
    pairs=Record(
        "roster",
        {
            "affiliate": Field(_NAME, "whose list it is", required=True),
            "ended": Field(CONDITIONS, "what in a message means that the patient is no longer on it"),
        },
    ),
)


@dataclass(frozen=True, slots=True)
class RosterPlan:
    """Whose list a channel keeps up, whose numbers count (None: all), and what ends an assignment."""

    affiliate: str
    authority: bytes | None = None
    ended: Condition | None = None


class Assignment(NamedTuple):
    """A message says that a patient is on an affiliate's list from a day on, or, `ended`, through that day."""

    affiliate: str
    identifiers: tuple[Identifier, ...]
    day: date
    npi: str | None
    ended: bool


def read_roster_kept(values: Values, setting: Setting) -> RosterPlan | None:
    """Compiles what a channel says; None where it says nothing, or has mistakes."""
    given = values["roster"]
    if given is None:
        return None
    if not isinstance(given, Values):
        return RosterPlan(given)
    node = given.nodes.get("ended")
    ended = None if node is None else read_condition(node, setting)
    return RosterPlan(given["affiliate"], None, None if isinstance(ended, Wrong) else ended)


def assignment_of(
    plan: RosterPlan, whole: Scope, type_: str, people: tuple[Identifier, ...], day: date
) -> Assignment | None:
    """What a message of a canonical type says of the list, or None; `whole` is the scope of all of it, `people` are those of PID-3."""
    ended = plan.ended is not None and plan.ended(whole)
    if not ended and type_ not in _ON_LIST:
        return None
    found = tuple([each for each in people if plan.authority in (None, each.authority)])
    if not found:
        return None
    return Assignment(plan.affiliate, found, day, None if ended else _npi(whole.message), ended)


def _npi(message: Message) -> str | None:
    """The primary care provider's: of PD1-4 the repetition that says it is an NPI, else the first number of ten digits."""
    segment = message.first(b"PD1")
    value = b"" if segment is None else segment.field(4)
    delimiters = message.delimiters
    plain: str | None = None
    for each in value.split(delimiters.repetition) if delimiters.repetition else [value]:
        parts = each.split(delimiters.component) if delimiters.component else [each]
        number = parts[0].decode("ascii", "replace")
        if not (len(number) == 10 and number.isascii() and number.isdigit()):
            continue
        if says_npi(parts):
            return number
        plain = plain or number
    return plain

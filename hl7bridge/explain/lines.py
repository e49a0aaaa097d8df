"""A trace as lines for a person: what each rule is, what it saw, what it changed, where it stands.

Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hl7bridge.channel.rules.trace import FOR_ANOTHER, NOT_COVERED, ON_NO_LIST, Event, Kind
from hl7bridge.hl7.names import field_name
from hl7bridge.words import counted

#: Affiliates on whose lists the patient is not, beyond which they are counted and not named.
_MOST_NAMED: Final = 4


class Line(NamedTuple):
    """One line, `depth` deep. `mark`: what became of the rule. `text` holds the message's values; `place` is file:line:column."""

    depth: int
    mark: str
    text: str
    place: str


YES, NO, DID, SKIPPED, TO, NOTHING = "+", "x", "*", "-", ">", " "


def lines(events: Sequence[Event], *, brief: bool = False, only: str | None = None) -> Iterator[Line]:
    """The lines of a trace. `brief` leaves out what changed nothing; `only` leaves out what concerns other destinations."""
    if brief:
        events = _telling(events)
    unlisted = list(dict.fromkeys(each.says for each in events if each.because == ON_NO_LIST and not only))
    left_out: int | None = None  # what is deeper than this belongs to something that is not shown
    for event in events:
        if left_out is not None:
            if event.depth > left_out:
                continue
            left_out = None
        if only is not None and event.kind in (Kind.TO, Kind.NOT_TO) and event.says != only:
            left_out = event.depth
            continue
        if only is None and (event.because == FOR_ANOTHER or event.because.startswith(NOT_COVERED)):
            continue
        if event.because == ON_NO_LIST and event.says in unlisted and len(unlisted) > _MOST_NAMED:
            if event.says == unlisted[0]:
                yield Line(
                    event.depth,
                    NO,
                    f"{counted(len(unlisted), 'affiliate')} on whose lists the patient is not",
                    event.place,
                )
            continue
        yield from _lines(event)


def _telling(events: Sequence[Event]) -> list[Event]:
    """Without the rules that changed nothing, and what those asked and looked up; the others as deep as what they still stand in."""
    above: list[int | None] = []
    path: list[int] = []
    for number, event in enumerate(events):
        while path and events[path[-1]].depth >= event.depth:
            path.pop()
        above.append(path[-1] if path else None)
        path.append(number)
    kept: set[int] = set()
    holds: set[int] = set()  # something that is kept
    for number in reversed(range(len(events))):
        event, outer = events[number], above[number]
        if event.kind is Kind.CONDITION or event.held is not None:
            # What a `when` asked, and whether it held, shows in the steps behind it; a filter's conditions tell.
            tells = event.kind is Kind.CONDITION and (outer is None or events[outer].held is None)
        else:
            tells = event.kind is not Kind.STEP or bool(event.changes) or number in holds
        if tells:
            kept.add(number)
        if outer is not None and (tells or number in holds):
            holds.add(outer)
    found: list[Event] = []
    depths: list[int] = []
    for number, (event, outer) in enumerate(zip(events, above, strict=True)):
        depths.append(event.depth if outer is None else depths[outer] + (outer in kept))
        if number in kept or (event.kind is Kind.LOOK_UP and outer in kept):
            found.append(event._replace(depth=depths[number]))
    return found


def _lines(event: Event) -> Iterator[Line]:
    depth, place = event.depth, event.place
    if event.kind is Kind.CHANNEL:
        yield Line(depth, NOTHING, f"channel {event.says}", place)
    elif event.kind is Kind.CONDITION:
        yield Line(depth, YES if event.held else NO, f"{event.says}{_saw(event.seen)}", place)
    elif event.kind is Kind.LOOK_UP:
        found = f"{event.says}: {' = '.join(event.seen)} ({event.because})"
        yield Line(depth, YES if event.held else NO, found, place)
    elif event.kind in (Kind.TO, Kind.NOT_TO):
        mark, words = (TO, "to") if event.kind is Kind.TO else (NO, "not to")
        yield Line(
            depth, mark, f"{words} {event.says}" + (f": {event.because}" if event.because else ""), place
        )
    elif event.kind is Kind.ERROR:
        yield Line(depth, NO, f"fails: {event.because}", place)
    elif event.held is False:
        yield Line(depth, SKIPPED, f"{event.says}: does not hold", place)
    elif event.changes:
        yield from _changes(event)
    else:
        yield Line(depth, SKIPPED if event.held is None else YES, _rule(event.says), place)


def _changes(event: Event) -> Iterator[Line]:
    for at, change in enumerate(event.changes):
        # The rule is named once, and not where it is the path itself.
        rule = "" if at or change.path.startswith(event.says) else f"{event.says}: "
        text = f"{rule}{_named(change.path)}: {_quoted(change.before)} -> {_quoted(change.after)}"
        yield Line(event.depth, DID, text, event.place)


def _rule(says: str) -> str:
    """A rule that changed nothing."""
    return says if says.startswith(("when ", "each ")) else f"{says}: nothing changes"


def _quoted(value: str) -> str:
    return f"'{value}'" if value else "nothing"


def _saw(seen: Sequence[str]) -> str:
    return "  saw " + ", ".join(_quoted(value) for value in seen) if seen else "  saw nothing"


def _named(path: str) -> str:
    """A path with its name by HL7 2.5.1, where it has one."""
    name = field_name(path)
    return f"{path} ({name})" if name else path

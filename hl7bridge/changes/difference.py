"""Where two decisions of one message differ, in the words of what users see of it: channels, the answer, deliveries, the programme.

A consequence is not said beside its cause: of a channel that takes a message no more it is not said that its deliveries are gone.
Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from hl7bridge.affiliation.facts.facts import Fact
from hl7bridge.channel.deciding.decide import Decision
from hl7bridge.channel.deciding.leaving import Outgoing
from hl7bridge.channel.deciding.outcome import ERROR, FILTERED, RECEIVED, ChannelOutcome
from hl7bridge.hl7.changed import Changed, changed
from hl7bridge.hl7.delimiters import Unreadable


class Signature(NamedTuple):
    """What differs, said so that it is the same for every message that differs so.

    `rank` puts what harms first. `of`: of what, `to rush` or `channel pharmacy`. `what`: a sentence without a value of a message, but
    for those that a reason names (the code that a table does not hold). `path`: the field, "" if it is none.
    """

    rank: int
    of: str
    what: str
    path: str = ""


class Difference(NamedTuple):
    """A signature, and the values of this message on both sides. `became`: all that came of it, where `after` is not all; `came_of`:
    all that it was.
    """

    signature: Signature
    before: str = ""
    after: str = ""
    became: tuple[str, ...] = ()
    came_of: tuple[str, ...] = ()


def concerns(*decisions: Decision | None) -> set[str]:
    """Of what there could be differences, as `Signature.of` says it."""
    made = [each for each in decisions if each is not None]
    found = {f"to {each.destination}" for decision in made for each in decision.outgoing}
    return found | {f"channel {each.channel}" for decision in made for each in decision.outcomes}


class _Told(NamedTuple):
    """What a decision tells the programme, and the channels that take the message."""

    things: set[Any]
    taking: set[str]


FAILS, LOST, NEW, OTHER, FIELD, LESS = range(6)


def differences(old: Decision | None, new: Decision | None) -> Iterator[Difference]:
    """What differs; None where the configuration does not have the message's source."""
    if old is None or new is None:
        if old is not new:
            what = "only the old one has this source" if new is None else "only the new one has this source"
            yield Difference(Signature(LOST if new is None else NEW, "the source", what))
        return
    turned: set[str] = set()  # channels whose deliveries follow from what became of the message
    yield from _outcomes(old, new, turned)
    if old.answer != new.answer and not turned:
        yield Difference(
            Signature(OTHER, "the answer", f"{new.answer or 'nothing'} instead of {old.answer or 'nothing'}")
        )
    yield from _misses(old.misses, new.misses)
    yield from _deliveries(old, new, turned)
    if not _follows(_told(old), _told(new), turned):
        yield from _facts(old.facts, new.facts)
        if set(old.aliases) != set(new.aliases) or set(old.assignments) != set(new.assignments):
            yield Difference(
                Signature(OTHER, "the programme", "numbers or roster rows are learned otherwise"),
                became=tuple(sorted(map(repr, (*new.aliases, *new.assignments)))),
            )
    if old.identifiers != new.identifiers or old.event_date != new.event_date:
        yield Difference(
            Signature(OTHER, "the message", "patient or day of the event are read otherwise"),
            became=(repr(new.event_date), *map(repr, new.identifiers)),
        )


def _outcomes(old: Decision, new: Decision, turned: set[str]) -> Iterator[Difference]:
    before = {outcome.channel: outcome for outcome in old.outcomes}
    after = {outcome.channel: outcome for outcome in new.outcomes}
    for name in [*before, *(name for name in after if name not in before)]:
        found = _outcome(before.get(name), after.get(name))
        if found is not None:
            rank, what, is_cause = found
            if is_cause:
                turned.add(name)
            yield Difference(Signature(rank, f"channel {name}", what), became=_comes_of(new, name))


def _outcome(before: ChannelOutcome | None, after: ChannelOutcome | None) -> tuple[int, str, bool] | None:
    """(rank, what, whether deliveries follow from it), None where nothing differs."""
    if after is None:
        return LOST, "no longer looks at it", True
    if before is None:
        return NEW, f"looks at it now: {_of_outcome(after)}", True
    if before.status == after.status:
        if after.status == ERROR and _said(before.reason) != _said(after.reason):
            return FAILS, f"fails otherwise: {after.reason}", False
        return None
    if after.status == ERROR:
        return FAILS, f"fails now: {after.reason}", True
    if after.status == FILTERED:
        return LOST, f"newly filtered by {after.reason}", True
    if before.status == ERROR:
        return LESS, f"fails no longer: {before.reason}", True
    return NEW, f"no longer filtered by {before.reason}", True


def _of_outcome(outcome: ChannelOutcome) -> str:
    return "taken" if outcome.status == RECEIVED else f"{outcome.status.lower()}, {outcome.reason}"


def _said(reason: str | None) -> str:
    """A reason without its place, which moves when a line is put in before it."""
    return (reason or "").partition(": ")[2]


def _misses(old: Sequence[str], new: Sequence[str]) -> Iterator[Difference]:
    """Codes that a table does not hold, and orders of which the programme learns nothing; where that stands is no difference."""
    before, after = ({_about(each): each for each in misses} for misses in (old, new))
    for about in sorted(after.keys() - before.keys()):
        of, what = about
        yield Difference(Signature(OTHER, of, f"{what} ({_place(after[about])})"))
    for of, what in sorted(before.keys() - after.keys()):
        yield Difference(Signature(LESS, of, f"no longer so: {what}"))


def _about(miss: str) -> tuple[str, str]:
    """Of a miss what it is of, and what."""
    _, colon, why = miss.partition(": ")
    if colon:
        return "the programme", f"learns nothing of an order: {why}"
    return f"table {miss.partition(' ')[2]}", "does not hold a code"


def _place(miss: str) -> str:
    return miss.partition(" ")[0].rstrip(":")


def _deliveries(old: Decision, new: Decision, turned: set[str]) -> Iterator[Difference]:
    before, after = _by_place(old.outgoing), _by_place(new.outgoing)
    for place in [*before, *(place for place in after if place not in before)]:
        destination, channel = place
        if channel in turned:
            continue
        of = f"to {destination}"
        ours, theirs = before.get(place, []), after.get(place, [])
        if not theirs:
            yield Difference(Signature(LOST, of, f"no longer decided for it (channel {channel})"))
        elif not ours:
            what = f"newly decided for it (channel {channel})"
            yield Difference(Signature(NEW, of, what), became=_leaves(theirs))
        elif len(ours) != len(theirs):
            what = f"{len(theirs)} messages instead of {len(ours)}"
            yield Difference(Signature(OTHER, of, what), became=_leaves(theirs))
        else:
            for one, other in zip(ours, theirs, strict=True):
                yield from _delivery(of, one, other)


def _by_place(outgoing: Sequence[Outgoing]) -> dict[tuple[str, str], list[Outgoing]]:
    found: dict[tuple[str, str], list[Outgoing]] = {}
    for each in outgoing:
        found.setdefault((each.destination, each.channel), []).append(each)
    return found


def _delivery(of: str, one: Outgoing, other: Outgoing) -> Iterator[Difference]:
    if other.error is not None:
        if _said(one.error) != _said(other.error) or one.error is None:
            yield Difference(Signature(FAILS, of, f"fails now: {other.error}"))
        return
    if one.error is not None:
        yield Difference(Signature(LESS, of, f"fails no longer: {one.error}"), became=_leaves([other]))
        return
    if one.refused != other.refused:
        if other.refused is None:
            what = f"sent now; so far not sent: {one.refused}"
            yield Difference(Signature(NEW, of, what), became=_leaves([other]))
        elif one.refused is not None:
            yield Difference(Signature(OTHER, of, f"not sent for another reason: {other.refused}"))
        else:
            yield Difference(Signature(LOST, of, f"not sent now: {other.refused}"))
        return
    if one.refused is None and one.payload != other.payload:
        yield from _payload(of, one.payload, other.payload)
    if one.keys != other.keys:
        what = "is kept in order with other messages"
        yield Difference(Signature(OTHER, of, what), became=(repr(other.keys),))
    if one.scope != other.scope:
        what = f"under the agreement for {other.scope or 'nothing'} instead of {one.scope or 'nothing'}"
        yield Difference(Signature(OTHER, of, what))


def _payload(of: str, before: bytes, after: bytes) -> Iterator[Difference]:
    try:
        found = list(changed(before, after))
    except Unreadable:
        what = "what leaves is not HL7 on one side"
        yield Difference(Signature(OTHER, of, what), became=(after.decode("latin-1"),))
        return
    same: dict[Signature, list[Changed]] = {}
    for each in found:  # a second OBX that changed as the first did is the same message
        same.setdefault(Signature(FIELD, of, f"{each.path} {each.what}", each.path), []).append(each)
    for signature, several in same.items():
        first = several[0]
        became = tuple(each.after for each in several)
        yield Difference(signature, first.before, first.after, became, tuple(each.before for each in several))
    if not found:
        what = "only ends of lines differ"
        yield Difference(Signature(OTHER, of, what), became=(after.decode("latin-1"),))


def _leaves(outgoing: Iterable[Outgoing]) -> tuple[str, ...]:
    """All of what is decided for destinations."""
    return tuple(repr((each.destination, each.payload, each.refused, each.error)) for each in outgoing)


def _comes_of(decision: Decision, channel: str) -> tuple[str, ...]:
    """What follows from a channel that takes a message, of which nothing is said beside it."""
    if all(each.channel != channel or each.status != RECEIVED for each in decision.outcomes):
        return ()
    return (*_leaves(each for each in decision.outgoing if each.channel == channel), repr(decision.facts))


def _told(decision: Decision) -> _Told:
    taking = {outcome.channel for outcome in decision.outcomes if outcome.status == RECEIVED}
    return _Told({*decision.facts, *decision.aliases, *decision.assignments}, taking)


def _follows(old: _Told, new: _Told, turned: set[str]) -> bool:
    """Whether what the programme learns differs only since a channel takes the message no more (it learns less), or does now (more):
    what another channel tells otherwise is no consequence of that.
    """
    if old.things == new.things:
        return True
    lost, gained = turned & old.taking - new.taking, turned & new.taking - old.taking
    return (bool(lost) and new.things < old.things) or (bool(gained) and old.things < new.things)


def _facts(old: Sequence[Fact], new: Sequence[Fact]) -> Iterator[Difference]:
    """By kind of fact and part of it; where as many are told, the first that differ are held against each other."""
    known_before, known_after = set(old), set(new)
    before = [fact for fact in old if fact not in known_after]
    after = [fact for fact in new if fact not in known_before]
    said: dict[Signature, tuple[str, ...]] = {}
    for kind in dict.fromkeys(type(fact) for fact in (*before, *after)):
        ours = [fact for fact in before if type(fact) is kind]
        theirs = [fact for fact in after if type(fact) is kind]
        name = kind.__name__.removesuffix("Fact").lower()
        if len(ours) != len(theirs):
            more = "tells it more" if len(theirs) > len(ours) else "tells it less"
            said[Signature(OTHER, "the programme", f"{more} of: {name}")] = tuple(map(repr, theirs))
            continue
        for one, other in zip(ours, theirs, strict=True):
            for part in one._fields:
                if getattr(one, part) != getattr(other, part):
                    signature = Signature(OTHER, "the programme", f"{name}: another {part}")
                    said[signature] = (*said.get(signature, ()), repr(getattr(other, part)))
    for signature in sorted(said):
        yield Difference(signature, became=said[signature])

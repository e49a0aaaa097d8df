"""Proportion of days covered, as the Pharmacy Quality Alliance (PQA) measures it.

For the medicines of a class: the days on which the patient had some of it at hand, by the days from the first fill to the end of the
period. Supply that was filled early is used after what came before, if they share an ingredient of the class (a combination product
shares each of its own), and at the same time otherwise. Days in hospital are taken out, and supply moves past them (CMS, Star Ratings
technical notes). Death and disenrolment end the period. Fills that came back count nothing.

It is *counted*, so that something may be said about it, with fills on two days and a period of 91 days. Where a fill's days' supply is
not known, or whether it was taken home, or its product is not in the site's table, days covered are not known either: the
figure is then a lower bound, and not counted.

Refuses to know affiliates, messages and clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from fractions import Fraction
from typing import Final, NamedTuple

from hl7bridge.affiliation.facts.facts import FillKey
from hl7bridge.affiliation.history.history import Dose, History, doses, ingredients_of, use_up
from hl7bridge.affiliation.history.stays import Span
from hl7bridge.affiliation.tables.medicines import Medicines

#: PQA: fills on at least so many days, and a period of at least so many, the first fill's day and the last day included.
FILL_DAYS: Final = 2
PERIOD_DAYS: Final = 91


@dataclass(frozen=True, slots=True)
class Measures:
    """How classes are measured.

    `percent`: the threshold; `by_class`: those of single classes (PQA: 90 for antiretrovirals), by the site's names in lower case.
    `two_medicines`: classes of which a day is covered only by two different ingredients (PQA's antiretroviral measure).
    `excluded_by`: for a class, another one of which a single fill in the period takes the patient out of the measure (PQA's
    diabetes measure: insulin). Percentages are whole numbers from 1 to 100.
    """

    percent: int = 80
    by_class: Mapping[str, int] = field(default_factory=lambda: {"antiretroviral": 90, "antiretrovirals": 90})
    two_medicines: frozenset[str] = frozenset()
    excluded_by: Mapping[str, str] = field(default_factory=dict)

    def threshold(self, class_: str) -> int:
        """The percentage under which adherence to a class counts as low."""
        return self.by_class.get(class_.lower(), self.percent)


@dataclass(frozen=True, slots=True)
class Adherence:
    """The figure of one class and period. `first` is the first fill's day, `last` the period's last; both None without a fill.

    `days` are those of the period outside hospital, `covered` of them. `reason` says why it is not counted, "" if it is.
    """

    class_: str
    first: date | None
    last: date | None
    covered: int
    days: int
    in_hospital: int
    counted: bool
    reason: str
    threshold: int
    fills: tuple[FillKey, ...]

    @property
    def fraction(self) -> Fraction | None:
        """Days covered by days, exactly; None where there are no days."""
        return Fraction(self.covered, self.days) if self.days else None

    @property
    def percent(self) -> Decimal | None:
        """The fraction in percent, rounded to two places."""
        return percentage(self.covered, self.days) if self.days else None

    @property
    def low(self) -> bool:
        """Counted, and under the threshold."""
        return self.counted and 100 * self.covered < self.threshold * self.days


def percentage(covered: int, days: int) -> Decimal:
    """Percent with two places, halves rounded up."""
    return (Decimal(100 * covered) / days).quantize(Decimal("0.01"), ROUND_HALF_UP)


class Day(Enum):
    """What a day of the period is."""

    COVERED = "covered"
    BARE = "bare"
    HOSPITAL = "hospital"


class Piece(NamedTuple):
    """Days of one kind, from `begin` through `end`."""

    begin: int
    end: int
    kind: Day


class Course(NamedTuple):
    """A class's way through a period, from the day of its first fill (`first`) through `last`, in pieces without gaps.

    `second` is the second day on which something was filled; from `unsure` on, the figure is not counted, for the `reason`.
    """

    first: int
    last: int
    pieces: tuple[Piece, ...]
    fills: tuple[FillKey, ...]
    second: int | None
    unsure: int | None
    reason: str


class Tally(NamedTuple):
    """Days up to some day: covered, all outside hospital, in hospital."""

    covered: int
    days: int
    in_hospital: int


def adherence(
    known: History,
    medicines: Medicines,
    class_: str,
    begin: date,
    end: date,
    measures: Measures | None = None,
    enrolled_through: date | None = None,
) -> Adherence:
    """Adherence to the medicines of `class_` from `begin` through `end`, or through death or `enrolled_through` if they come first."""
    measures = measures or Measures()
    last = min(end, enrolled_through or end, known.life.died or end)
    taken = doses(known, medicines, ingredients_of(known, medicines))
    found = course(taken, known.stays, medicines, class_, begin.toordinal(), last.toordinal(), measures)
    threshold = measures.threshold(class_)
    if found is None:
        return Adherence(class_, None, None, 0, 0, 0, False, "no fill in the period", threshold, ())
    if known.life.dead and known.life.died is None:
        reason = "the day of death is not known"
    else:
        reason = _uncounted(found)
    covered, days, in_hospital = tally(found.pieces, found.last)
    first = date.fromordinal(found.first)
    return Adherence(
        class_, first, last, covered, days, in_hospital, not reason, reason, threshold, found.fills
    )


def _uncounted(found: Course) -> str:
    if found.unsure is not None:
        return found.reason
    if found.second is None:
        return "fills on fewer than two days"
    if found.last - found.first + 1 < PERIOD_DAYS:
        return f"a period of less than {PERIOD_DAYS} days"
    return ""


def course(
    taken: Sequence[Dose],
    stays: Sequence[Span],
    medicines: Medicines,
    class_: str,
    begin: int,
    last: int,
    measures: Measures,
) -> Course | None:
    """The course of a class from `begin` through `last` (ordinals), None if nothing of it was taken home then.

    `taken` are the patient's doses in the order of their days. Of those of one day that with the lesser key is used first.
    """
    mine: list[tuple[Dose, frozenset[str]]] = []
    parts: dict[frozenset[str], frozenset[str]] = {}
    unsure: int | None = None
    reason = ""
    excluding = measures.excluded_by.get(class_)
    for dose in taken:
        if not begin <= dose.day <= last:
            continue
        of_class = parts.get(dose.ingredients)
        if of_class is None:
            of_class = frozenset(each for each in dose.ingredients if class_ in medicines.classes(each))
            parts[dose.ingredients] = of_class
        if of_class and dose.certain:
            mine.append((dose, of_class))
        if unsure is None:
            reason = _doubt(dose, bool(of_class))
            if (
                not reason
                and excluding
                and any(excluding in medicines.classes(each) for each in dose.ingredients)
            ):
                reason = f"a fill of {excluding} excludes from the measure"
            if reason:
                unsure = dose.day
    if not mine:
        return None
    first = mine[0][0].day
    return Course(
        first=first,
        last=last,
        pieces=tuple(
            _pieces(first, last, _covered(mine, stays, 1 + (class_ in measures.two_medicines)), stays)
        ),
        fills=tuple(dose.fill.key for dose, _ in mine),
        second=next((dose.day for dose, _ in mine if dose.day > first), None),
        unsure=unsure,
        reason=reason,
    )


def _doubt(dose: Dose, of_class: bool) -> str:
    if not of_class or dose.days_supply is not None:
        return ""
    if not dose.certain:
        return "it is not known whether a fill was taken home"
    return "it is not known how long a fill lasts"


def _covered(
    mine: Sequence[tuple[Dose, frozenset[str]]], stays: Sequence[Span], least: int
) -> Iterator[Span]:
    """The spans, in order, on which at least `least` ingredients were at hand."""
    ends: dict[str, int] = {}
    changes: dict[int, int] = {}
    for dose, ingredients in mine:
        if dose.days_supply is None:
            continue
        for span in use_up(ends, ingredients, dose.day, dose.days_supply, stays):
            changes[span.begin] = changes.get(span.begin, 0) + len(ingredients)
            changes[span.end + 1] = changes.get(span.end + 1, 0) - len(ingredients)
    at_hand = 0
    since = None
    for day in sorted(changes):
        at_hand += changes[day]
        if at_hand >= least and since is None:
            since = day
        elif at_hand < least and since is not None:
            yield Span(since, day - 1)
            since = None


def _pieces(first: int, last: int, covered: Iterator[Span], stays: Sequence[Span]) -> Iterator[Piece]:
    known = [Piece(*span, Day.COVERED) for span in covered]
    known += [Piece(*span, Day.HOSPITAL) for span in stays]
    known.sort(key=lambda piece: piece.begin)
    day = first
    for begin, end, kind in known:
        if end < day:
            continue
        if begin > last:
            break
        if begin > day:
            yield Piece(day, begin - 1, Day.BARE)
        yield Piece(max(begin, day), min(end, last), kind)
        day = end + 1
    if day <= last:
        yield Piece(day, last, Day.BARE)


def tally(pieces: Sequence[Piece], through: int) -> Tally:
    """The days of the pieces up to and with `through`."""
    counts = dict.fromkeys(Day, 0)
    for begin, end, kind in pieces:
        if begin > through:
            break
        counts[kind] += min(end, through) - begin + 1
    return Tally(counts[Day.COVERED], counts[Day.COVERED] + counts[Day.BARE], counts[Day.HOSPITAL])


def low_spans(found: Course, percent: int) -> list[Span]:
    """The spans of days on which the figure, taken from the first fill to that day, is counted and under `percent`.

    Supply in hand is taken to be used as laid out, so that days to come are among them; a fill to come changes them.
    """
    if found.second is None:
        return []
    earliest = max(found.second, found.first + PERIOD_DAYS - 1)
    latest = found.last if found.unsure is None else min(found.last, found.unsure - 1)
    spans: list[Span] = []
    covered = days = 0
    for begin, end, kind in found.pieces:
        low = _low(begin, end, kind, percent * days - 100 * covered, percent)
        low = Span(max(low.begin, earliest), min(low.end, latest))
        if low.begin <= low.end:
            if spans and spans[-1].end + 1 == low.begin:
                low = Span(spans.pop().begin, low.end)
            spans.append(low)
        if kind is not Day.HOSPITAL:
            days += end - begin + 1
            covered += end - begin + 1 if kind is Day.COVERED else 0
    return spans


def _low(begin: int, end: int, kind: Day, short: int, percent: int) -> Span:
    """The days of a piece that are under `percent`; `short` is by how much the days before it are, in hundredths of a day.

    A covered day makes good 100 - percent hundredths of what is short, a bare one adds percent: so in a covered piece the first days
    may be low, in a bare one the last ones.
    """
    if kind is Day.BARE:
        return Span(begin + (-short // percent if short <= 0 else 0), end)
    if short <= 0:
        return Span(end + 1, end)
    if kind is Day.HOSPITAL or percent == 100:
        return Span(begin, end)
    return Span(begin, min(end, begin + (short - 1) // (100 - percent) - 1))

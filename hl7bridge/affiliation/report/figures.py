"""The figures on top of a report, counted up patient by patient from what its lines say and from nothing else.

So no figure tells what a line does not. Holds counts and no patient, however many there are. Refuses to know stores and pages. Raises
nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Final

from hl7bridge.affiliation.alerts.case import Kind
from hl7bridge.affiliation.report.lines import PatientReport, Period, Standing

#: Proportions of days covered are shown in so many equal parts.
BINS: Final = 10
#: A longer period is shown by months.
MOST_WEEKS: Final = 27


@dataclass(slots=True)
class KindFigures:
    """Of one kind of alert: how many, of how many patients (those in force), and by the parts of the period (both)."""

    in_force: int = 0
    taken_back: int = 0
    patients: int = 0
    by_part: list[int] = field(default_factory=list)


@dataclass(slots=True)
class ClassFigures:
    """Adherence to one class of medicines. `threshold` in percent; `under` and `bins` are of those that are counted.

    `bins` are (under the threshold, not under it) for each tenth of 0 to 100 percent, the last with 100. `reasons` are why others
    are not counted.
    """

    threshold: int
    patients: int = 0
    counted: int = 0
    under: int = 0
    bins: list[list[int]] = field(default_factory=lambda: [[0, 0] for _ in range(BINS)])
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> Fraction | None:
        """Those under the threshold, of those counted; None where nobody is."""
        return Fraction(self.under, self.counted) if self.counted else None


class Figures:
    """The figures of one report; `add` each patient once, in any order.

    `listed`: patients on the roster in the period. `concerned`: those of whom there is a line or a figure. `held`: those kept back
    until a person has settled who they are, which is for the operator and not for the affiliate. `unmapped`: see PatientReport.
    """

    def __init__(self, period: Period, kinds: frozenset[Kind]) -> None:
        self.period = period
        self.parts, self.by_month = parts_of(period)
        self.kinds = {kind: KindFigures(by_part=[0] * len(self.parts)) for kind in Kind if kind in kinds}
        self.classes: dict[str, ClassFigures] = {}
        self.listed = self.concerned = self.held = self.unmapped = 0

    def add(self, patient: PatientReport) -> None:
        """One patient more."""
        self.listed += patient.listed
        self.held += patient.held
        self.unmapped += patient.unmapped
        self.concerned += bool(patient.lines or patient.figures)
        seen: set[Kind] = set()
        for line in patient.lines:
            kind = line.alert.kind
            found = self.kinds[kind]
            found.by_part[self._part(line.alert.day)] += 1
            if line.standing is Standing.IN_FORCE:
                found.in_force += 1
                found.patients += kind not in seen
                seen.add(kind)
            else:
                found.taken_back += 1
        for _, _, figure in patient.figures:
            of_class = self.classes.setdefault(figure.class_, ClassFigures(figure.threshold))
            of_class.patients += 1
            if figure.counted:
                of_class.counted += 1
                of_class.under += figure.low
                # A figure that is counted has at least 91 days, unless all were spent in hospital.
                part = min(BINS - 1, figure.covered * BINS // figure.days) if figure.days else BINS - 1
                of_class.bins[part][not figure.low] += 1
            else:
                of_class.reasons[figure.reason] += 1

    def _part(self, day: date) -> int:
        if self.by_month:
            first = self.parts[0]
            return (day.year - first.year) * 12 + day.month - first.month
        return (day - self.parts[0]).days // 7


def parts_of(period: Period) -> tuple[Sequence[date], bool]:
    """The first days of the period's weeks (from Monday) or, of a longer one, its months; and whether they are months."""
    monday = period.begin - timedelta(period.begin.weekday())
    weeks = (period.through - monday).days // 7 + 1
    if weeks <= MOST_WEEKS:
        return [monday + timedelta(7 * number) for number in range(weeks)], False
    first = period.begin.year * 12 + period.begin.month - 1
    last = period.through.year * 12 + period.through.month - 1
    return [date(number // 12, number % 12 + 1, 1) for number in range(first, last + 1)], True

"""What is in an affiliate's report, and what must never be: each section, and each reason why a line is not there."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.affiliation.alerts.alerts import Kind, Thresholds, assess
from hl7bridge.affiliation.facts.facts import (
    DeathFact,
    Dispensed,
    Fact,
    FillFact,
    InterventionFact,
    Medicine,
    PatientNumber,
    PersonFact,
    PrescriptionKey,
)
from hl7bridge.affiliation.history.history import history
from hl7bridge.affiliation.messages.alertmessage import AlertTold
from hl7bridge.affiliation.report.figures import Figures, parts_of
from hl7bridge.affiliation.report.lines import Named, PatientReport, Period, Standing, Terms, report_of
from hl7bridge.affiliation.report.rows import COLUMNS, csv_text, figure_files, rows_of, safe
from hl7bridge.affiliation.tables.interactions import Group, Interactions
from hl7bridge.affiliation.who.agreement import Agreement
from hl7bridge.affiliation.who.known import Known
from hl7bridge.affiliation.who.people import Patient
from hl7bridge.affiliation.who.roster import RosterRow
from tests.affiliation.made import fill, medicines, prescribed, said
from tests.affiliation.test_alert_medicines import FACTS

F, S, R = Dispensed.FILLED, Dispensed.SOLD, Dispensed.RETURNED
MEDICINES = medicines(
    {
        "simvastatin": {"36567": "statins"},
        "atorvastatin": {"83367": "statins"},
        "clarithromycin": {"21212": "antibiotics"},
        "metformin": {"6809": "diabetes"},
    }
)
LIST = Interactions(
    "list", "1", [Group("9", "Statins", {"36567": "simvastatin"}, {"21212": "clarithromycin"})]
)
NAMES = PersonFact(
    "DOE",
    "JANE",
    date(1948, 2, 3),
    "F",
    (
        PatientNumber("7", "RETAIL", "PI"),
        PatientNumber("R1", "RUSH", "MR"),
        PatientNumber("E1", "MEDSTAR", "MR"),
    ),
)
APRIL = Period(date(2026, 4, 1), date(2026, 4, 30))
ROW = RosterRow("medstar", date(2026, 1, 1), None, "1234567893", False)


def never(*_: object) -> bool:
    return False


TERMS = Terms(
    Agreement("medstar", {"pharmacy": date(2016, 1, 1)}),
    Thresholds(),
    never,
    authority="MEDSTAR",
    identifier_type="MR",
    others=frozenset({"RUSH"}),
)
NOT_PICKED_UP: list[Fact] = [
    prescribed(date(2026, 4, 1), "metformin"),
    fill(F, date(2026, 4, 2), "metformin"),
]
UNFILLED: list[Fact] = [prescribed(date(2026, 3, 1), "metformin")]
LATE: list[Fact] = [prescribed(date(2026, 3, 1), "metformin"), fill(S, date(2026, 3, 8), "metformin")]
FALLING: list[Fact] = [
    fill(S, date(2026, 1, 5), "simvastatin", "1.1"),
    fill(S, date(2026, 2, 4), "atorvastatin", "2.1"),
]
BOTH: list[Fact] = [
    prescribed(date(2026, 4, 3), "simvastatin", "1"),
    prescribed(date(2026, 4, 9), "clarithromycin", "2"),
]
CALLED: list[Fact] = [
    InterventionFact(
        PrescriptionKey("0412", "1"),
        None,
        date(2026, 4, 7),
        Medicine("metformin", "NDC", "metformin"),
        "C",
        "called",
    )
]


def report(
    facts: Iterable[Fact],
    terms: Terms = TERMS,
    rows: Collection[RosterRow] = (ROW,),
    told: Iterable[AlertTold] = (),
    period: Period = APRIL,
    held: str | None = None,
) -> PatientReport:
    return report_of(
        Known(Patient((5,), held), said(NAMES, *facts)), rows, told, MEDICINES, LIST, terms, period
    )


def told_of(facts: Iterable[Fact], kind: Kind, day: date) -> AlertTold:
    """The alert of a kind as it was told on a day."""
    [alert] = [each for each in assess(facts, MEDICINES, Thresholds(), day).alerts if each.kind is kind]
    return AlertTold("ab12", NAMES, "1234567893", alert)


def lines(found: PatientReport) -> list[tuple[Kind, date, Standing]]:
    return [(line.alert.kind, line.alert.day, line.standing) for line in found.lines]


SECTIONS = [
    (NOT_PICKED_UP, Kind.NOT_PICKED_UP, date(2026, 4, 16)),
    (UNFILLED, Kind.PRIMARY, date(2026, 4, 1)),
    (LATE, Kind.REFILL_LATE, date(2026, 4, 11)),
    (FALLING, Kind.ADHERENCE, date(2026, 4, 5)),
    (BOTH, Kind.INTERACTION, date(2026, 4, 9)),
    (CALLED, Kind.INTERVENTION, date(2026, 4, 7)),
]


@pytest.mark.parametrize(("facts", "kind", "day"), SECTIONS)
def test_each_kind_of_alert_is_a_line_of_its_day_and_period(facts: list[Fact], kind: Kind, day: date) -> None:
    found = report(facts)
    assert lines(found) == [(kind, day, Standing.IN_FORCE)]
    [line] = found.lines
    assert line.patient == Named("E1", "MEDSTAR", "DOE", "JANE", date(1948, 2, 3))
    assert line.npi == "1234567893"
    assert line.reference == ""
    before = Period(date(2026, 3, 1), day - timedelta(1))
    after = Period(day + timedelta(1), date(2026, 5, 31))
    for period in (before, after):
        assert kind not in {line.alert.kind for line in report(facts, period=period).lines}
    assert lines(report(facts, period=Period(day, day))) == lines(found)


WITHOUT = {
    "not on the roster that day": {"rows": [ROW._replace(valid_from=date(2026, 4, 29))]},
    "no longer on the roster": {"rows": [ROW._replace(valid_through=date(2026, 3, 31))]},
    "opted out": {"rows": [ROW, ROW._replace(opt_out=True)]},
    "on nobody's roster": {"rows": []},
    "the agreement begins later": {
        "terms": replace(TERMS, agreement=Agreement("medstar", {"pharmacy": date(2026, 4, 29)}))
    },
    "an agreement for the clinics alone": {
        "terms": replace(TERMS, agreement=Agreement("medstar", {"clinic": date(2016, 1, 1)}))
    },
    "told from a later day on": {"terms": replace(TERMS, since=date(2026, 4, 29))},
    "kinds that are not wanted": {"terms": replace(TERMS, thresholds=Thresholds(kinds=frozenset()))},
    "withheld": {"terms": replace(TERMS, hides=lambda *_: True)},
    "held for a person": {"held": "birth dates differ"},
}


@pytest.mark.parametrize("why", WITHOUT)
@pytest.mark.parametrize(("facts", "kind", "day"), SECTIONS)
def test_no_line_without_a_right_to_it(facts: list[Fact], kind: Kind, day: date, why: str) -> None:
    assert not report(facts, **WITHOUT[why]).lines  # type: ignore[arg-type]
    told = [told_of(facts, kind, APRIL.through)] if kind is not Kind.INTERACTION else []
    assert not report([], told=told, **WITHOUT[why]).lines  # type: ignore[arg-type]


@pytest.mark.parametrize("why", sorted(WITHOUT.keys() - {"told from a later day on"}))
def test_no_figure_without_a_right_to_it(why: str) -> None:
    given = WITHOUT[why]
    late = {
        "not on the roster that day",
        "the agreement begins later",
    }  # but on the day of the figure, the period's last
    assert bool(report(FALLING, **given).figures) == (why in late)  # type: ignore[arg-type]


def test_after_death_there_are_figures_and_no_alerts() -> None:
    dead = [*FALLING, DeathFact(date(2026, 4, 20))]
    found = report(dead, told=[told_of(FALLING, Kind.ADHERENCE, date(2026, 4, 10))])
    assert found.lines == ()
    [measured] = found.figures
    assert (measured.figure.last, measured.figure.days) == (date(2026, 4, 20), 106)
    assert report(dead, period=Period(date(2026, 5, 1), date(2026, 5, 31))).figures == ()


def test_what_was_told_and_is_over_by_the_end_is_marked_as_taken_back() -> None:
    told = told_of(NOT_PICKED_UP, Kind.NOT_PICKED_UP, date(2026, 4, 16))
    sold = [*NOT_PICKED_UP, fill(S, date(2026, 4, 25), "metformin")]
    assert lines(report(sold)) == [], "it was never told"
    [line] = report(sold, told=[told]).lines
    assert (line.standing, line.reference) == (Standing.TAKEN_BACK, "ab12")
    assert line.reason.endswith("no longer holds. Picked up on 2026-04-25.")
    [line] = report(NOT_PICKED_UP, told=[told]).lines
    assert (line.standing, line.reference) == (Standing.IN_FORCE, "ab12")
    later = [*NOT_PICKED_UP, fill(S, date(2026, 5, 2), "metformin")]
    [line] = report(later, told=[told]).lines
    assert line.standing is Standing.IN_FORCE, "it was in force at the period's end"


def test_days_covered_are_those_of_the_year_to_the_period_s_end_and_say_why_they_do_not_count() -> None:
    table: list[tuple[list[Fact], Period, tuple[Any, ...]]] = [
        (FALLING, APRIL, (60, 116, True, "")),
        (LATE, APRIL, (30, 54, False, "fills on fewer than two days")),
        (
            FALLING,
            Period(date(2026, 3, 1), date(2026, 3, 31)),
            (60, 86, False, "a period of less than 91 days"),
        ),
        (
            [fill(S, date(2026, 1, 5), "simvastatin", days_supply=None)],
            APRIL,
            (0, 116, False, "it is not known how long a fill lasts"),
        ),
        (
            [fill(F, date(2026, 1, 5), "simvastatin", knows=False)],
            APRIL,
            (0, 0, False, "it is not known whether a fill was taken home"),
        ),
    ]
    for facts, period, wanted in table:
        [measured] = report(facts, period=period).figures
        figure = measured.figure
        assert (figure.covered, figure.days, figure.counted, figure.reason) == wanted
    ended = [ROW._replace(valid_through=date(2026, 4, 10))]
    [measured] = report(FALLING, rows=ended).figures
    assert measured.figure.last == date(2026, 4, 10), "measured no longer than the patient is enrolled"
    assert (
        report(FALLING, terms=replace(TERMS, thresholds=Thresholds(measured=frozenset({"diabetes"})))).figures
        == ()
    )


def hiding(*names: str) -> Terms:
    """Terms that withhold these medicines."""
    return replace(
        TERMS, hides=lambda about, birth, on: any(name in each.code for each in about for name in names)
    )


def test_a_withheld_medicine_leaves_no_trace_in_lines_figures_or_totals() -> None:
    """All facts, with one medicine withheld, read as if that medicine had never been; where it shares a class, the class is gone."""
    facts = [
        *FALLING,
        *[fill(S, date(2026, 1, 9), "metformin", "9.1"), fill(F, date(2026, 4, 2), "metformin", "9.2")],
    ]
    facts.append(fill(S, date(2026, 4, 2), "unknown", "8.1"))
    for hidden in ("metformin", "atorvastatin", "simvastatin", "unknown"):
        found = report(facts, hiding(hidden))
        classes = {each.figure.class_ for each in found.figures}
        assert classes == (
            {"statins"}
            if hidden == "metformin"
            else {"diabetes"}
            if "statin" in hidden
            else {"statins", "diabetes"}
        )
        assert found.unmapped == (hidden != "unknown")
        assert hidden not in repr(found)
        if hidden == "metformin":
            without = report(
                [fact for fact in facts if isinstance(fact, FillFact) and fact.medicine.code != hidden]
            )
            assert found == without, "and so is every figure that is counted from it"
    assert lines(report(BOTH, hiding("clarithromycin"))) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(FACTS, max_size=12), st.sampled_from(["simvastatin", "atorvastatin", "unmapped"]))
def test_whatever_happened_nothing_names_what_is_withheld(facts: list[Fact], hidden: str) -> None:
    """Nor does a figure rest on it: every class that is measured has no fill of it."""
    known = medicines({"simvastatin": {"36567": "statins"}, "atorvastatin": {"83367": "statins"}})
    year = Period(date(2026, 1, 1), date(2026, 12, 31))
    found = report_of(
        Known(Patient((5,), None), said(NAMES, *facts)), [ROW], (), known, LIST, hiding(hidden), year
    )
    assert hidden not in repr((found.lines, found.figures))
    behind = {each.key for each in history(facts, year.through).fills if each.medicine.code == hidden}
    for each in found.figures:
        assert behind.isdisjoint(each.figure.fills)
    for line in found.lines:
        assert behind.isdisjoint(line.alert.fills)


def test_what_is_withheld_today_takes_away_what_was_told_before_it_was() -> None:
    told = told_of(NOT_PICKED_UP, Kind.NOT_PICKED_UP, date(2026, 4, 16))
    sold = [*NOT_PICKED_UP, fill(S, date(2026, 4, 25), "metformin")]
    assert report(sold, hiding("metformin"), told=[told]).lines == ()
    other = [*NOT_PICKED_UP, fill(S, date(2026, 4, 25), "simvastatin", "1.2")]
    assert len(report(other, told=[told]).lines) == 1
    assert report(other, hiding("simvastatin"), told=[told]).lines == (), "why it was taken back would tell"
    bare = replace(told, alert=replace(told.alert, medicines=()))
    assert report(sold, hiding("metformin"), told=[bare]).lines == ()


@pytest.mark.parametrize(
    ("terms", "wanted"),
    [
        (TERMS, ("E1", "DOE", date(1948, 2, 3))),
        (replace(TERMS, authority=None), ("7", "DOE", date(1948, 2, 3))),
        (
            replace(TERMS, authority="ELSE", others=frozenset({"RUSH", "RETAIL"})),
            ("E1", "DOE", date(1948, 2, 3)),
        ),
        (replace(TERMS, leaves=frozenset({"number"})), ("E1", "", None)),
        (replace(TERMS, leaves=frozenset({"name", "birth"})), ("", "DOE", date(1948, 2, 3))),
    ],
)
def test_a_patient_is_named_as_the_affiliate_may_know_it(terms: Terms, wanted: tuple[Any, ...]) -> None:
    patient = report(CALLED, terms).lines[0].patient
    assert (patient.number, patient.family, patient.birth) == wanted
    assert "R1" not in repr(report(CALLED, terms).lines[0].patient)


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_neither_order_nor_repeats_change_a_report(chance: random.Random) -> None:
    facts = [*NOT_PICKED_UP, *CALLED, *FALLING[1:], *FALLING]
    told = [
        told_of(NOT_PICKED_UP, Kind.NOT_PICKED_UP, date(2026, 4, 16)),
        told_of(CALLED, Kind.INTERVENTION, date(2026, 4, 9)),
    ]
    rows = [ROW, ROW._replace(valid_from=None, valid_through=date(2026, 2, 1), npi=None)]
    wanted = report(facts, rows=rows, told=told)
    for each in (facts, told, rows):
        chance.shuffle(each)
    assert report([*facts, facts[0]], rows=rows, told=told) == wanted


# -- figures and files -------------------------------------------------------------------------------------------------------


def test_figures_are_counted_from_lines() -> None:
    figures = Figures(APRIL, frozenset(Kind))
    sold = [*NOT_PICKED_UP, fill(S, date(2026, 4, 25), "metformin")]
    told = told_of(NOT_PICKED_UP, Kind.NOT_PICKED_UP, date(2026, 4, 16))
    for each in (
        report(NOT_PICKED_UP),
        report(sold, told=[told]),
        report(FALLING),
        report([]),
        report(FALLING, held="x"),
        report(FALLING, rows=[]),
    ):
        figures.add(each)
    assert (figures.listed, figures.concerned, figures.held) == (5, 3, 1)
    waiting = figures.kinds[Kind.NOT_PICKED_UP]
    assert (waiting.in_force, waiting.taken_back, waiting.patients) == (1, 1, 1)
    assert waiting.by_part == [0, 0, 2, 0, 0], "of the weeks from 30 March"
    statins = figures.classes["statins"]
    assert (statins.patients, statins.counted, statins.under, statins.share) == (1, 1, 1, 1)
    assert statins.bins[5] == [1, 0]
    files = figure_files(figures)
    assert ("statins", "80", "1", "1", "1", "100.0", "0", "") in files["days-covered-by-class"]
    assert ("not-picked-up", "1", "1", "1") in files["alerts"]


@given(st.dates(date(2020, 1, 1), date(2027, 1, 1)), st.integers(0, 900))
def test_every_day_of_a_period_is_in_one_of_its_parts(begin: date, days: int) -> None:
    period = Period(begin, begin + timedelta(days))
    parts, by_month = parts_of(period)
    figures = Figures(period, frozenset(Kind))
    assert parts[0] <= begin
    assert by_month == (days > 27 * 7 - 1 - begin.weekday())
    for day in (begin, period.through, begin + timedelta(days // 2)):
        number = figures._part(day)
        assert parts[number] <= day
        assert number + 1 == len(parts) or day < parts[number + 1]


@pytest.mark.parametrize(("facts", "kind", "day"), SECTIONS)
def test_rows_have_a_cell_for_each_column(facts: list[Fact], kind: Kind, day: date) -> None:
    rows = rows_of(report(facts))
    assert kind.value in {row.section for row in rows}
    for row in rows:
        assert len(row.cells) == len(COLUMNS[row.section])
        cells = dict(zip(COLUMNS[row.section], row.cells, strict=True))
        assert (cells["patient_number"], cells["birth_date"]) == ("E1", "1948-02-03")
        assert cells.get("day", day.isoformat()) == day.isoformat()


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\r=x", "\n=x"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert safe(cell) == "'" + cell
    assert csv_text([(cell, 'O\'Hara, "Jo"')]).startswith(("'", "\"'"))


def test_csv_is_that_of_rfc_4180() -> None:
    assert csv_text([("a", 'b "c", d'), ("", "é\n2")]) == 'a,"b ""c"", d"\r\n,"é\n2"\r\n'

"""Made-up lives make sense: nothing is filled before it is ordered, sold before it is filled, or done after death."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7bridge.testing.synthetic import Event, Fill, Kind, Prescription, Why, history
from hl7bridge.testing.synthetic.clock import DAY
from hl7bridge.testing.synthetic.events import Visit
from hl7bridge.testing.synthetic.population import CLINICIANS, Clinician, person

START = date(2026, 1, 1).toordinal()
SEEDS = st.integers(0, 2**64 - 1)
FILLINGS = (Kind.FILLED, Kind.PART_FILLED, Kind.COMPLETED)
ORDERS = (Kind.ORDERED, Kind.REPLACED)
STOPS = (Kind.CANCELLED, Kind.DISCONTINUED)


def lives(seed: int, count: int = 12, days: int = 700) -> list[list[Event]]:
    return [history(seed, index, START, days) for index in range(count)]


def by_prescription(life: list[Event]) -> dict[bytes, list[Event]]:
    found: dict[bytes, list[Event]] = {}
    for event in life:
        if event.prescription is not None:
            found.setdefault(event.prescription.number, []).append(event)
    return found


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_events_come_in_order_and_nothing_but_merges_after_death(seed: int) -> None:
    for life in lives(seed):
        assert [event.at for event in life] == sorted(event.at for event in life)
        kinds = [event.kind for event in life]
        assert kinds.count(Kind.DIED) <= 1
        if Kind.DIED in kinds:
            assert set(kinds[kinds.index(Kind.DIED) + 1 :]) <= {Kind.MERGED}
        if Kind.ADDED in kinds:
            assert kinds[0] is Kind.ADDED


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_a_prescription_is_ordered_first_filled_in_order_and_stays_at_its_store(seed: int) -> None:
    for life in lives(seed):
        for events in by_prescription(life).values():
            prescriptions = {id(event.prescription) for event in events}
            assert len(prescriptions) == 1
            first = events[0]
            assert first.kind in (*ORDERS, Kind.DISCHARGE_ORDERED)
            assert sum(event.kind in ORDERS for event in events) <= 1
            fills = [event for event in events if event.kind in FILLINGS]
            if fills:
                ordered = next(event for event in events if event.kind in ORDERS)
                assert ordered.at <= fills[0].at
            numbers = [
                event.fill.number for event in fills if event.fill and event.kind is not Kind.COMPLETED
            ]
            assert numbers == list(range(1, len(numbers) + 1))
            stopped = [event.at for event in events if event.kind in STOPS]
            if stopped:
                assert all(event.at <= stopped[0] for event in fills)
            if any(event.kind is Kind.CANCELLED for event in events):
                assert not fills


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_what_is_sold_or_returned_was_filled_and_what_was_sold_is_returned_as_such(seed: int) -> None:
    for life in lives(seed):
        ready: dict[tuple[bytes, Fill], list[Event]] = {}
        for event in life:
            if event.prescription is None or event.fill is None:
                continue
            key = (event.prescription.number, event.fill)
            if event.kind in FILLINGS:
                assert key not in ready
                assert event.fill.filled_at == event.at
                ready[key] = []
            else:
                ready[key].append(event)  # a KeyError is a sale before its fill
        for (_, fill), told in ready.items():
            kinds = [event.kind for event in told]
            assert kinds in ([], [Kind.SOLD], [Kind.RETURNED], [Kind.SOLD, Kind.RETURNED])
            if kinds[-1:] == [Kind.RETURNED]:
                usual = Why.PARTIAL if fill.part else Why.NOT_PICKED_UP
                assert told[-1].why is (Why.PICKED_UP if len(kinds) == 2 else usual)
                if len(kinds) == 1:
                    assert 12 * DAY < told[0].at - fill.filled_at < 18 * DAY


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_parts_add_up_to_the_fill_and_refills_run_down(seed: int) -> None:
    for life in lives(seed):
        parts: dict[tuple[Prescription, int], list[Fill]] = {}
        for event in life:
            prescription, fill = event.prescription, event.fill
            if prescription is None or fill is None or event.kind not in FILLINGS:
                continue
            assert 0 <= fill.refills_left <= prescription.refills
            assert fill.quantity == fill.days_supply * prescription.product.daily
            if event.kind is Kind.FILLED:
                assert (fill.days_supply, fill.part) == (prescription.days_supply, b"")
            else:
                assert fill.part == (b"P" if fill.number == 1 else b"Q")
                parts.setdefault((prescription, fill.number), []).append(fill)
        for (prescription, _), found in parts.items():
            assert len(found) <= 2
            if len(found) == 2:
                assert sum(each.days_supply for each in found) == prescription.days_supply
                assert found[0].filled_at // DAY < found[1].filled_at // DAY


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_who_is_in_hospital_is_nowhere_else(seed: int) -> None:
    for life in lives(seed):
        inside = False
        for event in life:
            if event.kind in (Kind.ADMITTED, Kind.DISCHARGED):
                inside = event.kind is Kind.ADMITTED
            if inside:
                assert event.kind not in (Kind.SOLD, Kind.FILLED, Kind.VISIT_BEGUN)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_a_visit_begins_then_ends_then_is_corrected(seed: int) -> None:
    order = [Kind.VISIT_BEGUN, Kind.RESULTED, Kind.VISIT_ENDED, Kind.VISIT_UPDATED]
    for life in lives(seed):
        visits: dict[bytes, tuple[Visit, list[Kind]]] = {}
        for event in life:
            if event.visit is not None:
                visits.setdefault(event.visit.number, (event.visit, []))[1].append(event.kind)
        for _, kinds in visits.values():
            assert kinds == sorted(kinds, key=order.index)
            assert kinds[0] is Kind.VISIT_BEGUN
            assert max(Counter(kinds).values()) == 1


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_the_old_number_is_of_one_store_and_ends_with_the_merge(seed: int) -> None:
    for life in lives(seed, 40):
        merged = next((event.at for event in life if event.kind is Kind.MERGED), None)
        for event in life:
            who = event.person
            if event.number != who.patient.number:
                assert event.number == who.old_number
                assert event.prescription is not None
                assert event.prescription.store is who.second_store
                assert merged is None or event.at < merged + 7 * DAY


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(0, 10_000), st.integers(1, 400), st.integers(0, 400))
def test_more_days_go_on_where_fewer_end(seed: int, index: int, days: int, more: int) -> None:
    short = history(seed, index, START, days)
    assert history(seed, index, START, days + more)[: len(short)] == short


def test_every_kind_of_event_happens() -> None:
    found = {event.kind for life in lives(3, 300, 400) for event in life}
    assert found == set(Kind)


def test_people_fill_about_as_much_as_the_sizing_says() -> None:
    counts = Counter(event.kind for life in lives(4, 400, 365) for event in life)
    assert 12 < (counts[Kind.FILLED] + counts[Kind.PART_FILLED]) / 400 < 18
    assert 0.02 < counts[Kind.RETURNED] / counts[Kind.FILLED] < 0.12


@pytest.mark.parametrize("clinician", CLINICIANS, ids=lambda each: each.family.decode())
def test_no_prescribers_number_could_be_real(clinician: Clinician) -> None:
    digits = "80840" + clinician.npi.decode()
    assert len(digits) == 15
    doubled = [int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(digits))]
    assert sum(each // 10 + each % 10 for each in doubled) % 10


def test_people_are_the_same_however_many_there_are_and_have_numbers_of_their_own() -> None:
    found = [person(1, index, START) for index in range(7000)]
    numbers = [each.patient.number for each in found] + [each.old_number for each in found if each.old_number]
    assert len(set(numbers)) == len(numbers)
    assert person(1, 6500, START) == found[6500]
    assert all(each.patient.phone.startswith("55501") for each in found)
    assert {each.store.code for each in found[6000:]}.isdisjoint(each.store.code for each in found[:6000])

"""What the programme learns from messages: orders, fills, stays and deaths, by the standard's places and the channel's `programme`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.affiliation.facts.facts import (
    DeathFact,
    Dispensed,
    Fact,
    FillFact,
    FillKey,
    Medicine,
    Ordered,
    OrderFact,
    PatientNumber,
    PersonFact,
    PrescriptionKey,
    StayFact,
)
from hl7bridge.affiliation.who.roster import MemoryRoster
from hl7bridge.channel.deciding.decide import decide
from hl7bridge.channel.feed.supply import MOST_DAYS, days_of, days_of_quantity
from hl7bridge.channel.loading.folder import check, load
from hl7bridge.engine.folder import read_folder
from hl7bridge.hl7.message import Message
from tests.channel.conftest import Decide, folder

ROOT = Path(__file__).parents[2]
HEAD = "MSH|^~\\&|RX|S1|HUB|HUB|20261120120000||{}|C1|P|2.5.1\nPID|1||7^^^RETAIL^PI||DOE^JANE\n"
ORDER = HEAD.format("RDE^O11^RDE_O11")
DISPENSE = HEAD.format("RDS^O13^RDS_O13")
RXD = "RXD|{number}|555^metformin^NDC|20261118|180|TAB||{rx}|2\n"


def facts(decided: Decide, message: str, programme: str = "{}") -> list[Fact]:
    decision = decided(folder(f"programme: {programme}"), message.replace("\n", "\r").encode())
    assert decision.status == "RECEIVED", decision.outcomes
    return [fact for fact in decision.facts if not isinstance(fact, PersonFact)]


def fills(decided: Decide, message: str, programme: str = "{}") -> list[FillFact]:
    return [each for each in facts(decided, message, programme) if isinstance(each, FillFact)]


# -- fills -------------------------------------------------------------------------------------------------------------------


def test_a_fill_is_known_by_store_prescription_and_number_and_never_by_the_control_id(
    decided: Decide,
) -> None:
    message = DISPENSE + "ORC|RE|P1|F1\n" + RXD.format(number=1, rx="RX9")
    [filled] = fills(decided, message)
    assert filled == FillFact(
        FillKey(PrescriptionKey("S1", "RX9"), "1"),
        Dispensed.FILLED,
        date(2026, 11, 18),
        Medicine("555", "NDC", "metformin"),
        None,
        knows_sold=False,
        refills=2,
    )
    assert fills(decided, message.replace("|C1|", "|C2|")) == [filled]


@pytest.mark.parametrize(
    ("code", "part"), [*((code, date(2026, 11, 18)) for code in "PQTB"), ("F", None), ("", None)]
)
def test_a_partial_fill_and_its_completion_are_told_apart_by_their_day(
    decided: Decide, code: str, part: date | None
) -> None:
    rxd = RXD.format(number=2, rx="RX9").strip() + "|" * 25 + code + "\n"
    [filled] = fills(decided, DISPENSE + "ORC|RE\n" + rxd)
    assert filled.fill == FillKey(PrescriptionKey("S1", "RX9"), "2", part)


def test_a_feed_that_does_not_know_sales_says_so_in_every_fill(decided: Decide) -> None:
    message = DISPENSE + "ORC|RE|||||||20261119\n" + RXD.format(number=1, rx="RX9") + "FT1|1|||20261120\n"
    assert [each.knows_sold for each in fills(decided, message)] == [False]
    assert [each.counts for each in fills(decided, message, "{filled: counts}")] == [True]
    known = fills(decided, message, "{sold: {FT1: present}}")
    assert [(each.event, each.on, each.knows_sold) for each in known] == [
        (Dispensed.FILLED, date(2026, 11, 18), True),
        (Dispensed.SOLD, date(2026, 11, 20), True),
    ]


def test_one_order_sold_leaves_its_neighbour_waiting(decided: Decide) -> None:
    message = (
        DISPENSE
        + "ORC|RE\n"
        + RXD.format(number=1, rx="RX1")
        + "FT1|1|||20261120\n"
        + "ORC|RE\n"
        + RXD.format(number=1, rx="RX2")
    )
    found = fills(decided, message, "{sold: {FT1: present}}")
    assert [(each.fill.prescription.number, each.event) for each in found] == [
        ("RX1", Dispensed.FILLED),
        ("RX1", Dispensed.SOLD),
        ("RX2", Dispensed.FILLED),
    ]


def test_a_return_to_stock_happens_on_the_day_of_its_order_event(decided: Decide) -> None:
    message = DISPENSE + "ORC|CA||||||||20261202\n" + RXD.format(number=1, rx="RX9")
    assert [(each.event, each.on) for each in fills(decided, message)] == [
        (Dispensed.FILLED, date(2026, 11, 18)),
        (Dispensed.RETURNED, date(2026, 12, 2)),
    ]
    vista = message.replace("ORC|CA", "ORC|ZD|||||||")
    assert len(fills(decided, vista)) == 1, "no code of a site is taken for granted"
    assert len(fills(decided, message.replace("ORC|CA", "ORC|ZD"), "{returned: {ORC-1: ZD}}")) == 2


def test_without_a_prescription_number_a_day_or_a_medicine_nothing_is_known_and_that_is_counted(
    decided: Decide,
) -> None:
    for rxd in ("RXD|1|555^m^NDC|20261118\n", "RXD|1|555^m^NDC||180|||RX9\n", "RXD|1||20261118||||RX9\n"):
        decision = decided(
            folder("programme: {}"), (DISPENSE + "ORC|RE\n" + rxd).replace("\n", "\r").encode()
        )
        assert decision.status == "RECEIVED"
        assert [type(fact) for fact in decision.facts] == [PersonFact]
        assert len(decision.misses) == 1


def test_days_are_those_of_the_stores_own_calendar(decided: Decide) -> None:
    rxd = "RXD|1|555^m^NDC|20261118233000-0500|180|||RX9\n"
    assert fills(decided, DISPENSE + "ORC|RE\n" + rxd)[0].on == date(2026, 11, 18)
    rxd = "RXD|1|555^m^NDC|20261119043000+0000|180|||RX9\n"
    assert fills(decided, DISPENSE + "ORC|RE\n" + rxd)[0].on == date(2026, 11, 18)


# -- days' supply ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "segments", "days"),
    [
        ("ORC-7.3", "ORC|RE||||||1^BID^D90\n{rxd}", 90),
        ("RXE-1.3", "ORC|RE\nRXE|1^BID^30|555\n{rxd}", 30),
        ("TQ1-6", "ORC|RE\nTQ1|1|||||30^d\n{rxd}", 30),
        ("TQ1-6", "ORC|RE\nTQ1|1|||||30^M\n{rxd}", None),
        ("RXD-12", "ORC|RE\nRXD|1|555^m^NDC|20261118|180|||RX9|||||60\n", 60),
        ("ZRX-7", "ORC|RE\n{rxd}ZRX|||||||0090\n", 90),
        ("[ORC-7.3, ZRX-7]", "ORC|RE||||||1^BID^D90\n{rxd}ZRX|||||||0090\n", 90),
        ("[ORC-7.3, ZRX-7]", "ORC|RE||||||1^BID^D30\n{rxd}ZRX|||||||0090\n", None),
        ("[ORC-7.3, ZRX-7]", "ORC|RE||||||1^BID^X3\n{rxd}ZRX|||||||0090\n", None),
        ("[ORC-7.3, ZRX-7]", "ORC|RE\n{rxd}ZRX|||||||0090\n", 90),
        ("ORC-7.3", "ORC|RE\n{rxd}", None),
    ],
)
def test_days_supply_stands_where_the_channel_says(
    decided: Decide, where: str, segments: str, days: int | None
) -> None:
    message = DISPENSE + segments.format(rxd=RXD.format(number=1, rx="RX9"))
    assert [each.days_supply for each in fills(decided, message, f"{{days_supply: {where}}}")] == [days]


@pytest.mark.parametrize(
    ("rxd", "days"),
    [
        ("RXD|1|555^m^NDC|20261118|180|TAB||RX9|||||2^TAB\n", 90),
        ("RXD|1|555^m^NDC|20261118|180|TAB||RX9|||||1000^MG\n", None),
        ("RXD|1|555^m^NDC|20261118|180|||RX9|||||2\n", None),
        ("RXD|1|555^m^NDC|20261118|181|TAB||RX9|||||2^TAB\n", None),
        ("RXD|1|555^m^NDC|20261118|180|TAB||RX9\n", None),
    ],
)
def test_without_a_mapping_it_is_the_amount_by_the_daily_dose_in_equal_units_or_unknown(
    decided: Decide, rxd: str, days: int | None
) -> None:

    assert [each.days_supply for each in fills(decided, DISPENSE + "ORC|RE\n" + rxd)] == [days]


@given(st.integers(1, MOST_DAYS), st.sampled_from(["{}", "D{}", "d{}", "{}^d", "{} days", "00{}", "{}.0"]))
def test_whole_days_are_read_in_every_spelling(days: int, form: str) -> None:
    assert days_of(form.format(days)) == days


@given(st.text(max_size=12))
def test_anything_else_is_unknown_or_within_bounds(text: str) -> None:
    assert days_of(text) in {None, *range(1, MOST_DAYS + 1)}
    assert days_of_quantity(text, "TAB", "2", "TAB") in {None, *range(1, MOST_DAYS + 1)}
    assert days_of_quantity("30", "TAB", text, "TAB") in {None, *range(1, MOST_DAYS + 1)}


# -- orders ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "event"),
    [
        ("NW", Ordered.NEW),
        ("RO", Ordered.NEW),
        ("CA", Ordered.CANCELLED),
        ("OC", Ordered.CANCELLED),
        ("DC", Ordered.DISCONTINUED),
        ("OD", Ordered.DISCONTINUED),
        ("HD", Ordered.HELD),
        ("RL", Ordered.RESUMED),
        ("RF", Ordered.RENEWED),
        ("SC", None),
    ],
)
def test_an_order_control_code_says_what_becomes_of_the_prescription(
    decided: Decide, control: str, event: Ordered | None
) -> None:
    message = (
        ORDER + f"ORC|{control}||||||||20261101|||1000000004^A^B^^^DR^MD^^NPI^L^^^NPI\n"
        "RXE||555^metformin^NDC|1|||||||||3|||RX9|2\n"
    )
    found = facts(decided, message)
    key, medicine = PrescriptionKey("S1", "RX9"), Medicine("555", "NDC", "metformin")
    wanted = (
        OrderFact(key, event, date(2026, 11, 1), medicine, 2, "1000000004", knows_sold=False)
        if event
        else None
    )
    assert found == ([wanted] if wanted else [])


def test_a_hospitals_cancel_is_a_request_where_the_channel_says_so(decided: Decide) -> None:
    message = ORDER + "ORC|CA||||||||20261101\nRXE||555^m^NDC|1|||||||||3|||RX9\n"
    assert facts(decided, message, "{cancelled: {ORC-1: CR}}") == []
    [cancelled] = facts(decided, message.replace("ORC|CA", "ORC|CR"), "{cancelled: {ORC-1: CR}}")
    assert isinstance(cancelled, OrderFact)
    assert cancelled.event is Ordered.CANCELLED


def test_a_request_for_a_refill_is_never_a_prescription(decided: Decide) -> None:
    message = HEAD.format("RDE^O25^RDE_O25") + "ORC|NW||||||||20261101\nRXE||555^m^NDC|1|||||||||3|||RX9\n"
    assert facts(decided, message) == []


def test_a_filtered_message_says_nothing(decided: Decide) -> None:
    message = (
        (ORDER + "ORC|NW||||||||20261101\nRXE||555^m^NDC|1|||||||||3|||RX9\n").replace("\n", "\r").encode()
    )
    decision = decided(folder("filter: {MSH-11: T}\nprogramme: {}"), message)
    assert decision.status == "FILTERED"
    assert not decision.facts
    both = message.replace(b"RETAIL^PI", b"RETAIL^PI~E1^^^MEDSTAR^MR")
    assert not decided(folder("filter: {MSH-11: T}\nprogramme: {}"), both).aliases


# -- stays and deaths ----------------------------------------------------------------------------------------------------------------


def admission(trigger: str, pv1: str, pid: str = "PID|1||7^^^RETAIL^PI\n", event: str = "20261103") -> str:
    head = f"MSH|^~\\&|H|S1|HUB|HUB|20261120120000||ADT^{trigger}|C1|P|2.5.1\n"
    return f"{head}EVN||{event}\n{pid}{pv1}\n"


def test_a_stay_is_known_by_its_visit_number(decided: Decide) -> None:
    pv1 = "PV1|1|{}|||||||||||||||||V77^^^H"
    on, at = (
        date(2026, 11, 3),
        int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()),
    )  # MSH-7: EVN-2 is a day
    assert facts(decided, admission("A01", pv1.format("I"))) == [StayFact("V77", on, None, False, at)]
    assert facts(decided, admission("A03", pv1.format("I"))) == [StayFact("V77", None, on, False, at)]
    assert facts(decided, admission("A11", pv1.format("I"))) == [StayFact("V77", None, None, True, at)]
    assert facts(decided, admission("A13", pv1.format("I"))) == [StayFact("V77", None, on, True, at)]
    earlier = facts(decided, admission("A13", pv1.format("I"), event="202611030915"))
    assert earlier == [
        StayFact("V77", None, on, True, int(datetime(2026, 11, 3, 9, 15, tzinfo=UTC).timestamp()))
    ]
    mentioned = pv1.format("I") + "|" * 25 + "20261102"
    assert facts(decided, admission("A08", mentioned)) == [StayFact("V77", date(2026, 11, 2), None)]
    assert facts(decided, admission("A01", pv1.format("O"))) == [], "a clinic visit takes no days out"


def test_a_death_is_known_with_or_without_its_day(decided: Decide) -> None:
    pid = "PID|1||7^^^RETAIL^PI" + "|" * 26
    assert facts(decided, admission("A08", "PV1|1|O", pid + "20261101|Y\n")) == [DeathFact(date(2026, 11, 1))]
    assert facts(decided, admission("A08", "PV1|1|O", pid + "|Y\n")) == [DeathFact(None)]
    assert facts(decided, admission("A08", "PV1|1|O", pid + "|N\n")) == []


# -- who it is about -----------------------------------------------------------------------------------------------------------------


def test_a_message_says_who_its_patient_is_and_under_which_numbers(decided: Decide) -> None:
    pid = "PID|1||7^^^RETAIL^PI~E1^^^MEDSTAR^MR||doe^Jane^Q||19480203|f\n"
    decision = decided(folder("programme: {}"), admission("A08", "PV1|1|O", pid).replace("\n", "\r").encode())
    assert decision.facts == (
        PersonFact(
            "doe",
            "Jane",
            date(1948, 2, 3),
            "F",
            (PatientNumber("7", "RETAIL", "PI"), PatientNumber("E1", "MEDSTAR", "MR")),
        ),
    )
    assert [(each.one.id, each.other.id, each.merged) for each in decision.aliases] == [(b"7", b"E1", False)]


def test_names_are_read_in_the_message_s_own_character_set(decided: Decide) -> None:
    pid = "PID|1||7^^^RETAIL^PI||M\xfcller^J\xf6rg||19480203|M\n"
    text = admission("A08", "PV1|1|O", pid).replace("|2.5.1\n", "|2.5.1||||||8859/1\n")
    decision = decided(folder("programme: {}"), text.replace("\n", "\r").encode("latin-1"))
    assert decision.facts == (
        PersonFact("Müller", "Jörg", date(1948, 2, 3), "M", (PatientNumber("7", "RETAIL", "PI"),)),
    )


def test_a_merge_joins_each_pair_and_says_nothing_of_who_they_are(decided: Decide) -> None:
    text = admission("A40", "MRG|8^^^RETAIL^PI").replace("PV1", "") + (
        "PID|2||17^^^RETAIL^PI\nMRG|18^^^RETAIL^PI~19^^^RETAIL^PI\n"
    )
    decision = decided(folder("programme: {}"), text.replace("\n", "\r").encode())
    assert decision.facts == ()
    assert [(each.one.id, each.other.id, each.merged) for each in decision.aliases] == [
        (b"7", b"8", True),
        (b"17", b"18", True),
        (b"17", b"19", True),
    ]


def test_a_source_that_feeds_no_programme_says_nothing_at_all(decided: Decide) -> None:
    message = (DISPENSE + "ORC|RE\n" + RXD.format(number=1, rx="RX9")).replace("\n", "\r").encode()
    decision = decided(folder("filter: {MSH-11: P}"), message)
    assert decision.status == "RECEIVED"
    assert decision.facts == decision.aliases == ()


# -- the shipped channels ----------------------------------------------------------------------------------------------------

CONFIGURATION = load(read_folder(ROOT / "channels"), lambda name: "x")


@pytest.mark.parametrize(
    ("sample", "source", "said"),
    [
        ("rds_o13_alexander", "pharmacy-feed", [("filled", 90), ("sold", 90)]),
        ("rds_o13_alexander_returned", "pharmacy-feed", [("filled", None), ("returned", None)]),
        ("dialects/rds_o01_okafor_v23", "pharmacy-feed", [("filled", 90), ("sold", 90)]),
        ("rde_o11_alexander", "pharmacy-feed", [("new", None)]),
        ("dialects/rde_o11_alexander_v24_zrx", "pharmacy-feed", [("new", None)]),
        ("rde_o25_alexander_refill", "pharmacy-feed", []),
    ],
)
def test_the_samples_say_what_they_were_written_to_say(
    sample: str, source: str, said: list[tuple[str, int | None]]
) -> None:
    decision = decide(
        CONFIGURATION,
        source,
        Message((ROOT / "samples" / f"{sample}.hl7").read_bytes()),
        received=datetime(2026, 12, 5, tzinfo=UTC),
        sequence=1,
        roster=MemoryRoster(),
    )
    assert decision.misses == ()
    person, *others = decision.facts
    assert isinstance(person, PersonFact)
    assert [(each.event.value, getattr(each, "days_supply", None)) for each in others] == said


# -- several systems through one feed ------------------------------------------------------------------------------------------------

SEVERAL = """
  - {when: {MSH-3: RX}, days_supply: ORC-7.3, sold: {FT1: present}}
  - {when: {MSH-3: [OLD, OLDER]}, filled: counts}
"""


@pytest.mark.parametrize(
    ("system", "told"),
    [("RX", (30, True, False)), ("OLDER", (None, False, True)), ("STRANGER", None)],
)
def test_each_system_of_a_feed_is_read_by_what_the_channel_says_of_it(
    decided: Decide, system: str, told: tuple[object, ...] | None
) -> None:
    message = (DISPENSE + "ORC|RE||||||^^D30\n" + RXD.format(number=1, rx="RX9")).replace(
        "|RX|", f"|{system}|", 1
    )
    found = fills(decided, message, SEVERAL)
    assert [(each.days_supply, each.knows_sold, each.counts) for each in found] == ([told] if told else [])


def test_a_system_of_which_nothing_is_said_joins_no_numbers(decided: Decide) -> None:
    message = (DISPENSE + "ORC|RE\n" + RXD.format(number=1, rx="RX9")).replace(
        "7^^^RETAIL^PI", "7^^^RETAIL^PI~E1^^^MEDSTAR^MR"
    )
    for system, joined in (("RX", 1), ("STRANGER", 0)):
        raw = message.replace("|RX|", f"|{system}|", 1).replace("\n", "\r").encode()
        assert len(decided(folder(f"programme: {SEVERAL}"), raw).aliases) == joined


def test_what_is_never_looked_at_is_a_mistake() -> None:
    files = folder("programme: [{filled: counts}, {when: {MSH-3: OLD}}]")
    [mistake] = check(files)
    assert "nothing after this one is ever looked at" in mistake.what

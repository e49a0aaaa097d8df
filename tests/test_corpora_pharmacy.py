"""Pharmacy messages of other systems, each system mapped as an engineer of a site would: right, or counted as unknown.

The folder is named by HL7BRIDGE_CORPORA, or is `../shared/corpora` beside the checkout; it is no part of the project.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import pytest

from hl7bridge.affiliation.facts.facts import Dispensed, FillFact, Ordered, OrderFact
from hl7bridge.affiliation.who.roster import MemoryRoster
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import Decision, decide
from hl7bridge.channel.loading.folder import load
from hl7bridge.hl7.batch import read_file
from hl7bridge.hl7.message import Message

FOLDER = Path(os.environ.get("HL7BRIDGE_CORPORA", Path(__file__).parents[2] / "shared" / "corpora"))
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the corpora of real messages are not beside this checkout"
)
#: IMMAPP's FT1 charges an X-ray, so an FT1 of its does not mean that the medicine was sold; nobody else tells of sales either.
CHANNEL = b"""channel: others
source: {mllp: {port: 2575}, unaccepted: AA}
accept: ['RDE^*', 'RDS^*', 'RAS^*', 'ORM^*', 'OMP^*']
programme:
  - {when: {MSH-3: APP}, days_supply: ORC-7.3}
  - {when: {MSH-3.1: IMMAPP}, days_supply: TQ1-6}
  - {}
send_to: [archive]
"""
ARCHIVE = b"destination: archive\nsend: {file: {folder: archive}}\n"


@cache
def configuration() -> Configuration:
    return load({"others.yaml": CHANNEL, "destinations/archive.yaml": ARCHIVE})


def decided(raw: bytes) -> Decision:
    received = datetime(2026, 1, 1, tzinfo=UTC)
    return decide(
        configuration(), "others", Message(raw), received=received, sequence=1, roster=MemoryRoster()
    )


def messages(pattern: str) -> list[bytes]:
    found = [raw for path in sorted(FOLDER.rglob(pattern)) for raw in read_file(path.read_bytes()).messages]
    assert found
    return found


def test_what_names_no_prescription_is_counted_and_is_no_fact() -> None:
    nameless = [raw for raw in messages("*_RDE_O11.hl7") if b"|WHIA|IBM|" in raw]
    assert len(nameless) >= 5
    for raw in nameless:
        decision = decided(raw)
        assert not any(isinstance(fact, OrderFact) for fact in decision.facts)
        assert decision.misses == ("others.yaml:5:5: no prescription number (RXE-15, RXD-7)",)


def test_a_dispense_is_filled_and_what_a_charge_for_something_else_means_is_not_guessed() -> None:
    for raw in messages("*_RDS_O13.hl7"):
        fills = [fact for fact in decided(raw).facts if isinstance(fact, FillFact)]
        assert fills
        assert {fact.event for fact in fills} == {Dispensed.FILLED}
        assert not any(fact.knows_sold for fact in fills)
        assert {fact.days_supply for fact in fills} == {3}, (
            "TQ1-6 says three days, in words and subcomponents"
        )
        assert {fact.on for fact in fills} == {date(2020, 12, 12)}


def test_a_request_to_authorise_refills_is_no_prescription() -> None:
    for raw in messages("*_RDE_O25.hl7"):
        assert not any(isinstance(fact, OrderFact) for fact in decided(raw).facts)


def test_an_order_of_another_country_is_one() -> None:
    [raw] = [raw for raw in messages("*_RDE_O11.hl7") if b"EU-CAT2011" in raw]
    [order] = [fact for fact in decided(raw).facts if isinstance(fact, OrderFact)]
    assert (order.prescription, order.event) == (("EU-CAT2011", "P001"), Ordered.NEW)
    assert (order.medicine.code, order.refills, order.knows_sold) == ("054565", None, False)


@pytest.mark.parametrize("pattern", ["*_ORM_O01.hl7", "*_OMP_O09.hl7", "*_RAS_O17.hl7"])
def test_other_orders_say_nothing_of_prescriptions(pattern: str) -> None:
    for raw in messages(pattern):
        assert not any(isinstance(fact, OrderFact | FillFact) for fact in decided(raw).facts)

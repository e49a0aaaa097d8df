"""What channels/ makes of feeds whose truth is known: right, or counted as unknown, and never guessed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, timedelta
from functools import cache
from pathlib import Path

import pytest

from hl7bridge.affiliation.facts.facts import Dispensed, Fact, FillFact, Ordered, OrderFact
from hl7bridge.affiliation.who.roster import MemoryRoster
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import decide
from hl7bridge.channel.loading.folder import load
from hl7bridge.engine.folder import read_folder
from hl7bridge.hl7.message import Message
from hl7bridge.testing.synthetic import DIALECTS, Kind, PickUp, Sent, Supply, generate

CHANNELS = Path(__file__).parent.parent / "channels"
FILLS = {Kind.FILLED, Kind.PART_FILLED, Kind.COMPLETED, Kind.SOLD, Kind.RETURNED}
#: What a dialect writes for what happened; a part that completes a fill is a fill of its own.
SAYS = {Kind.SOLD: Dispensed.SOLD, Kind.RETURNED: Dispensed.RETURNED}


@cache
def configuration() -> Configuration:
    return load(read_folder(CHANNELS))


@cache
def told() -> list[tuple[Sent, tuple[Fact, ...]]]:
    found = []
    for number, sent in enumerate(generate(7, 150, 300), 1):
        decision = decide(
            configuration(),
            sent.source,
            Message(sent.raw),
            received=sent.sent.astimezone(UTC) + timedelta(seconds=1),
            sequence=number,
            roster=MemoryRoster(),
        )
        found.append((sent, decision.facts))
    return found


def of(name: str) -> list[tuple[Sent, tuple[Fact, ...]]]:
    return [(sent, facts) for sent, facts in told() if sent.dialect is not None and sent.dialect.name == name]


@pytest.mark.parametrize("name", DIALECTS)
def test_what_happened_to_a_fill_is_read_right_or_not_known(name: str) -> None:
    knows = DIALECTS[name].pick_up is not PickUp.NEVER
    seen: Counter[Kind] = Counter()
    for sent, facts in of(name):
        fills = [fact for fact in facts if isinstance(fact, FillFact)]
        kind = sent.truth.kind
        if kind not in FILLS:
            assert not fills
            continue
        seen[kind] += 1
        events = {fact.event for fact in fills}
        assert all(fact.knows_sold is knows for fact in fills)
        if knows:
            assert SAYS.get(kind, Dispensed.FILLED) in events
            assert (Dispensed.SOLD in events) == (kind is Kind.SOLD)
            assert (Dispensed.RETURNED in events) == (kind is Kind.RETURNED)
        else:
            assert Dispensed.SOLD not in events, "nobody said so"
    assert seen[Kind.FILLED] > 20


@pytest.mark.parametrize("name", DIALECTS)
def test_days_supply_is_read_right_or_not_known(name: str) -> None:
    right = 0
    for sent, facts in of(name):
        for fact in facts:
            if isinstance(fact, FillFact) and sent.truth.fill is not None:
                assert fact.days_supply in (sent.truth.fill.days_supply, None), sent.raw
                right += fact.days_supply is not None
    assert (right > 20) == (DIALECTS[name].supply not in (Supply.NOWHERE, Supply.SIG))


@pytest.mark.parametrize("name", DIALECTS)
def test_orders_are_read_as_what_they_are(name: str) -> None:
    seen: Counter[Kind] = Counter()
    for sent, facts in of(name):
        seen[sent.truth.kind] += 1
        orders = [fact for fact in facts if isinstance(fact, OrderFact)]
        events = {fact.event for fact in orders}
        if sent.truth.kind is Kind.ORDERED:
            assert events == {Ordered.NEW}
        elif sent.truth.kind is Kind.REFILLS_ASKED:
            assert not events, "a request to authorise is no prescription"
    assert seen[Kind.ORDERED] > 20
    assert seen[Kind.REFILLS_ASKED] > 3

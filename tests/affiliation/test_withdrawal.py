"""Why an alert is taken back: what is said is what ended it, and no older story of the same prescription."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from hl7bridge.affiliation.alerts.alerts import Alert, Kind, Thresholds, assess
from hl7bridge.affiliation.alerts.withdrawal import why_withdrawn
from hl7bridge.affiliation.facts.facts import Dispensed, Fact, Ordered
from hl7bridge.affiliation.history.history import history
from tests.affiliation.made import fill, medicines, on, order, prescribed

FILLED, SOLD, RETURNED = Dispensed.FILLED, Dispensed.SOLD, Dispensed.RETURNED
TABLE = medicines({"simvastatin": {"36567": "statins"}})
SOLD_ONCE = [prescribed(on(1, 2), "simvastatin"), fill(FILLED, on(1, 3)), fill(SOLD, on(1, 4))]
SECOND_READY = [*SOLD_ONCE, fill(FILLED, on(2, 2), key="1.2")]


def alerts(facts: Sequence[Fact], kind: Kind, day: date) -> list[Alert]:
    return [each for each in assess(facts, TABLE, Thresholds(), day).alerts if each.kind is kind]


@pytest.mark.parametrize(
    ("facts", "kind", "ended", "why"),
    [
        (SOLD_ONCE, Kind.REFILL_LATE, fill(SOLD, on(3, 9), key="1.2"), "Picked up on 2026-03-09."),
        (
            SOLD_ONCE,
            Kind.REFILL_LATE,
            order(Ordered.CANCELLED, on(3, 1)),
            "The prescription ended on 2026-03-01.",
        ),
        (
            SOLD_ONCE,
            Kind.REFILL_LATE,
            order(Ordered.HELD, on(3, 1)),
            "It is corrected by what became known later.",
        ),
        (SECOND_READY, Kind.NOT_PICKED_UP, fill(SOLD, on(3, 9), key="1.2"), "Picked up on 2026-03-09."),
        (SECOND_READY, Kind.NOT_PICKED_UP, fill(SOLD, on(2, 4), key="1.2"), "Picked up on 2026-02-04."),
        (
            SECOND_READY,
            Kind.NOT_PICKED_UP,
            order(Ordered.CANCELLED, on(2, 2)),
            "The prescription ended on 2026-02-02.",
        ),
    ],
)
def test_the_reason_is_what_came_after(facts: list[Fact], kind: Kind, ended: Fact, why: str) -> None:
    day = on(3, 10)
    (alert,) = alerts(facts, kind, day)
    assert not alerts([*facts, ended], kind, day)
    said = why_withdrawn(alert, history([*facts, ended], day))
    assert said == f"Withdrawn: what was said of {alert.day} no longer holds. {why}"

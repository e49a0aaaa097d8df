"""The tables of keys of an affiliate's `alerts:` and `summaries:`, of `providers:`, and what is made of them.

Raises nothing; mistakes are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hl7bridge.affiliation.alerts.adherence import Measures
from hl7bridge.affiliation.alerts.case import Kind, Thresholds
from hl7bridge.channel.settings import MDM, ORU, ProviderWish, SummaryWish
from hl7bridge.channel.written.kinds import Day
from hl7bridge.channel.written.mistake import meant
from hl7bridge.channel.written.model import Choice, Reading, Text, Whole
from hl7bridge.channel.written.record import Field, ListOf, MapOf, Record, Values
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, shown

_DAYS = Whole(1, 366, "a number of days")
_PERCENT = Whole(1, 100, "a percentage")
_CLASS = Text("a class of medicines")
_BY_CLASS: Final = "days_covered_by_class"
#: The keys of `alerts:` that name classes.
_OF_CLASSES: Final = frozenset({"classes", _BY_CLASS, "two_medicines", "excluded_by"})


def _thresholds(values: Values, reading: Reading) -> Thresholds:
    usual = Measures()
    given = values["days_covered_by_class"] or {}
    by_class = {**usual.by_class, **{class_.lower(): percent for class_, percent in given.items()}}
    measures = Measures(
        values["days_covered"],
        by_class,
        frozenset(values["two_medicines"]),
        values["excluded_by"] or {},
    )
    classes = values["classes"]
    return Thresholds(
        values["ready"],
        values["primary"],
        values["new"],
        values["late"],
        measures,
        None if classes is None else frozenset(classes),
        frozenset(Kind) if values["kinds"] is None else frozenset(map(Kind, values["kinds"])),
    )


ALERTS = Record(
    "alerts",
    {
        "kinds": Field(ListOf(Choice(tuple(Kind)), lone=True), "which kinds; all if left out", None),
        "ready": Field(_DAYS, "days that a fill waits before it counts as not picked up", 14),
        "primary": Field(_DAYS, "days within which a new prescription is filled (PQA: 30)", 30),
        "new": Field(_DAYS, "days without the medicine that make a prescription new (PQA: 180)", 180),
        "late": Field(_DAYS, "days after the supply ran out that make a refill late", 5),
        "days_covered": Field(_PERCENT, "percent of days covered under which adherence is low (PQA: 80)", 80),
        "days_covered_by_class": Field(MapOf(_PERCENT, _CLASS), "the same for single classes", None),
        "classes": Field(
            ListOf(_CLASS, lone=True), "the classes whose adherence is watched; all if left out", None
        ),
        "two_medicines": Field(
            ListOf(_CLASS, lone=True), "classes of which a day needs two medicines (PQA: antiretrovirals)", ()
        ),
        "excluded_by": Field(
            MapOf(_CLASS, _CLASS),
            "for a class, another that takes a patient out of it (PQA: diabetes, insulin)",
            None,
        ),
    },
    _thresholds,
)


def check_classes(affiliate: Values, known: set[str], reading: Reading) -> None:
    """Names the classes of an affiliate's `alerts:` that no ingredient is in: what is said of them would never come to bear."""
    alerts = affiliate.nodes.get("alerts")
    any_case = {class_.lower() for class_ in known}
    for key, node in alerts.pairs if isinstance(alerts, Pairs) and known else ():
        for item in _classes_in(node) if key.text in _OF_CLASSES else ():
            # The one key that is read without regard to case, as Measures.threshold is.
            right = item.text.lower() in any_case if key.text == _BY_CLASS else item.text in known
            if not right:
                hint = meant(item.text, known, "the column classes of tables/ingredients.csv names them")
                reading.wrong(item, f"no ingredient is in the class {shown(item.text)}", hint)


def _classes_in(node: Node) -> Iterator[Scalar]:
    """One class, or those of a list, or the keys of a map with such of its values as are names of classes."""
    if isinstance(node, Pairs):
        for key, value in node.pairs:
            yield key
            if isinstance(value, Scalar) and not value.text.isdecimal():
                yield value
    else:
        for item in node.items if isinstance(node, Items) else [node]:
            if isinstance(item, Scalar):
                yield item


def _summaries(values: Values, reading: Reading) -> SummaryWish | None:
    return SummaryWish(values["from"], values["as"]) if values.complete else None


SUMMARIES = Record(
    "summaries",
    {
        "from": Field(Day(), "the first day whose visits it is told of", required=True),
        "as": Field(Choice((MDM, ORU)), "MDM (T02, T10, T11), or ORU where it takes no documents", MDM),
    },
    _summaries,
)


PROVIDER_WISH = Record(
    "providers",
    {
        "from": Field(Day(), "the first day whose visits they are told of", required=True),
        "withhold": Field(
            ListOf(Text("a category such as substance-use"), lone=True),
            "categories of tables/withheld.csv that are never sent to them",
            (),
        ),
    },
)


def provider_wish(values: Values | None) -> ProviderWish | None:
    """What `providers:` asks for; None where nothing does, or a mistake was named."""
    if values is None or not values.complete:
        return None
    return ProviderWish(values["from"], frozenset(values["withhold"]))

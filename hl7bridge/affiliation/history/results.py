"""Results of a visit in their latest versions, out of a patient's facts (HL7 v2.5.1 chapter 7, tables 0078 and 0085).

The same facts give the same results whatever their order and however often they were told. Refuses to know messages, stores and
clocks. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from hl7bridge.affiliation.facts.facts import Concept, Fact, ObservationFact, VisitKey, When, in_order

#: Versions of a result told at one moment, in the order of table 0085: preliminary ones, final, corrected, taken back.
_RESULT_RANK: Final = {"F": 1, "U": 1, "": 1, "C": 2, "X": 3, "W": 4, "D": 4}
_FINAL: Final = frozenset({"F", "U", "C", ""})
_TAKEN_BACK: Final = frozenset({"W", "D"})
_PRELIMINARY: Final = frozenset({"I", "P", "R", "S"})
#: Table 0078: what is within its range, and susceptibilities but resistance, which are no abnormal values.
_USUAL: Final = frozenset({"", "N", "S", "I", "MS", "VS", "NEG", "ND", "NR"})


class Standing(StrEnum):
    """What a result's latest version is (OBX-11, table 0085)."""

    FINAL = "final"
    CORRECTED = "corrected"  # C, or a final one that says something else than an earlier final one
    PRELIMINARY = "preliminary"  # I, P, R, S: it may still change
    NONE = "no result"  # X: there will be none
    TAKEN_BACK = "taken back"  # W, D: it was wrong


@dataclass(frozen=True, slots=True)
class Result:
    """The latest version of one result. `flag` is OBX-8 as it came; `cut`: the value was longer than is kept."""

    order: str
    panel: Concept
    code: Concept
    sub_id: str
    value: str
    cut: bool
    units: str
    reference: str
    flag: str
    observed: When | None
    standing: Standing
    coded: Concept = ()
    marks: Concept = ()

    @property
    def abnormal(self) -> bool:
        """Whether the laboratory marked it (OBX-8, table 0078)."""
        return any(each.strip().upper() not in _USUAL for each in self.flag.split(","))


def results(facts: Iterable[Fact], key: VisitKey) -> tuple[Result, ...]:
    """The latest version of each result of a visit, in the order of days, panels and names.

    A later report replaces an earlier one (OBR-22, else MSH-7); of one moment a correction (C) replaces a final one, and W and D
    take it back. Status U makes final what was preliminary and may repeat no value. What was taken back is shown as that and
    without its value, and not at all if no other version of it was told.
    """
    versions: dict[tuple[str, str, str, str], list[ObservationFact]] = {}
    for fact in facts:
        if isinstance(fact, ObservationFact) and fact.visit == key and fact.code:
            code = fact.code[0]
            name = (fact.order, code.code or code.text, code.system, fact.sub_id)
            versions.setdefault(name, []).append(fact)
    found = [made for each in versions.values() if (made := _result(each)) is not None]
    return tuple(sorted(found, key=_result_order))


def _result(facts: list[ObservationFact]) -> Result | None:
    facts = in_order(facts, _version_order)
    said = shown = facts[-1]
    if said.status == "U" and not said.value:
        shown = next((fact for fact in reversed(facts) if fact.value), said)
    if said.status in _TAKEN_BACK:
        if all(fact.status in _TAKEN_BACK for fact in facts):
            return None
        standing = Standing.TAKEN_BACK
    elif said.status == "X":
        standing = Standing.NONE
    elif said.status in _PRELIMINARY:
        standing = Standing.PRELIMINARY
    else:
        other = (shown.value, shown.units)
        differs = any(
            fact.status in _FINAL and (fact.value, fact.units) != other for fact in facts if fact.value
        )
        standing = Standing.CORRECTED if said.status == "C" or differs else Standing.FINAL
    bare = standing in (Standing.TAKEN_BACK, Standing.NONE)
    marks = said.marks
    if shown is not said:  # what withholds the version that the value is of, withholds the value
        marks = tuple(sorted({*marks, *shown.marks, *shown.code, *shown.panel}))
    return Result(
        said.order,
        said.panel,
        said.code,
        said.sub_id,
        "" if bare else shown.value,
        shown.cut and not bare,
        "" if bare else shown.units,
        shown.reference,
        "" if bare else shown.flag,
        next((fact.observed for fact in reversed(facts) if fact.observed), None),
        standing,
        () if bare else shown.coded,
        marks,
    )


def _version_order(fact: ObservationFact) -> tuple[datetime, int, datetime]:
    return fact.reported, _RESULT_RANK.get(fact.status, 0), fact.sent


def _result_order(each: Result) -> tuple[str, ...]:
    observed = "" if each.observed is None else f"{each.observed.day.isoformat()} {each.observed.time}"
    panel, code = (each.panel or each.code)[0], each.code[0]
    return observed, panel.text, each.order, code.text, code.code, code.system, each.sub_id

"""What is known of a clinic visit that has ended, put together for the patient's own physician.

`visits` finds the visits that have ended and were not withdrawn; `summary` puts one together: where and when, results in their latest
version, diagnoses, and the medicines this chain's stores know, as of the day the visit ended. The same facts give the same summary
whatever their order and however often they were told.

What is withheld is left out as a whole item, by any code it bears. What is not known is said. Refuses to know messages, pages, stores
and clocks. Raises nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from hl7bridge.affiliation.facts import (
    Clinician,
    Coded,
    Concept,
    Fact,
    Medicine,
    ObservationFact,
    PersonFact,
    PrescriptionKey,
    VisitEvent,
    VisitFact,
    VisitKey,
    When,
)
from hl7bridge.affiliation.fills import Fill, Prescription
from hl7bridge.affiliation.history import history

#: A prescription is named while its order or a fill of it is no older than this: most states let one be filled for a year.
CURRENT: Final = timedelta(days=365)
#: Says whether an item with these codes must not leave.
Withheld = Callable[[Sequence[Coded | Medicine]], bool]

_RANK: Final = {
    VisitEvent.BEGUN: 0,
    VisitEvent.TOLD: 1,
    VisitEvent.ENDED: 2,
    VisitEvent.REOPENED: 3,
    VisitEvent.WITHDRAWN: 4,
}
#: Versions of a result told at one moment, in the order of table 0085: preliminary ones, final, corrected, taken back.
_RESULT_RANK: Final = {"F": 1, "U": 1, "": 1, "C": 2, "X": 3, "W": 4, "D": 4}
_FINAL: Final = frozenset({"F", "U", "C", ""})
_TAKEN_BACK: Final = frozenset({"W", "D"})
_PRELIMINARY: Final = frozenset({"I", "P", "R", "S"})
#: Table 0078: what is within its range, and susceptibilities but resistance, which are no abnormal values.
_USUAL: Final = frozenset({"", "N", "S", "I", "MS", "VS", "NEG", "ND", "NR"})

_NOT_AS_BEFORE: Final = frozenset({"corrected", "taken back"})

# Worded so that they are true both of what is not known and of what is withheld.
NO_RESULTS: Final = "No results are given for this visit."
NO_MEDICINES: Final = "No medicines are given."
ELSEWHERE: Final = (
    "Medicines from other pharmacies, samples and medicines without a prescription are not known here."
)
NOT_COVERED: Final = "What this chain's pharmacies know of medicines is not part of this summary."
NO_REASON: Final = "The reason for the visit is not given."
NO_CLINICIAN: Final = "Who saw the patient is not given."
NO_DIAGNOSES: Final = "No diagnoses are given."


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit that has ended.

    `marks` are all the codes that any message said of where and under what protection it took place: where they are withheld, so is
    the whole visit (`is_withheld`).
    """

    key: VisitKey
    ended: When
    began: When | None
    facility: str
    place: str
    attending: Clinician | None
    primary_care: Clinician | None
    reason: Concept
    diagnoses: tuple[Concept, ...]
    marks: Concept = ()


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


@dataclass(frozen=True, slots=True)
class KnownMedicine:
    """A prescription that a store of the chain knows, and its latest fill, if any. `discharge`: a hospital ordered it."""

    prescription: Prescription
    fill: Fill | None


@dataclass(frozen=True, slots=True)
class Summary:
    """A visit's summary. `subject` is its name for as long as it is the same visit, `day` the day that the visit ended.

    `digest` changes with what it says of the visit, its results and the medicines it names, and with nothing else: who the patient
    or the recipient is called, and whether a medicine has been picked up meanwhile, make no new version.
    `names` are all that messages call the patient. `notices` are sentences to be shown with it, such as that something was withheld.
    """

    subject: str
    day: date
    names: tuple[str, ...]
    visit: Visit
    results: tuple[Result, ...]
    medicines: tuple[KnownMedicine, ...]
    unknown: tuple[str, ...]
    notices: tuple[str, ...]
    digest: str

    @property
    def corrected(self) -> bool:
        """Whether a result in it was corrected or taken back."""
        return any(each.standing in _NOT_AS_BEFORE for each in self.results)


def subject_of(key: VisitKey) -> str:
    """The name of the summary of a visit, in characters that HL7 leaves alone."""
    return "/".join(("visit-summary", *(quote(part, safe="").replace("~", "%7E") for part in key)))


def visits(facts: Iterable[Fact], today: date) -> tuple[Visit, ...]:
    """The visits that have ended by `today` and were not withdrawn, sorted by key."""
    told: dict[VisitKey, list[VisitFact]] = {}
    for fact in facts:
        if isinstance(fact, VisitFact):
            told.setdefault(fact.visit, []).append(fact)
    found = (_visit(key, told[key]) for key in sorted(told))
    return tuple(each for each in found if each is not None and each.ended.day <= today)


def next_end(facts: Iterable[Fact], today: date) -> date | None:
    """The first later day on which a visit ends, as far as it is told: `visits` may find more on that day. None if there is none."""
    ends = (found.ended.day for found in visits(facts, date.max) if found.ended.day > today)
    return min(ends, default=None)


def _visit(key: VisitKey, facts: list[VisitFact]) -> Visit | None:
    facts.sort(key=_visit_order)
    ended: When | None = None
    is_over = False
    withdrawn = False
    for fact in facts:
        if fact.event is VisitEvent.BEGUN:
            withdrawn = False
        elif fact.event is VisitEvent.ENDED:
            is_over, ended = True, fact.ended or ended
        elif fact.event is VisitEvent.REOPENED:
            is_over = False
        elif fact.event is VisitEvent.WITHDRAWN:
            is_over, withdrawn = False, True
    if ended is None or not is_over or withdrawn:
        return None

    # The last that anybody said of each: what a message leaves out takes nothing back.
    last_first = facts[::-1]
    return Visit(
        key,
        ended,
        next((fact.began for fact in last_first if fact.began), None),
        next((fact.facility for fact in last_first if fact.facility), ""),
        next((fact.place for fact in last_first if fact.place), ""),
        next((fact.attending for fact in last_first if fact.attending), None),
        next((fact.primary_care for fact in last_first if fact.primary_care), None),
        next((fact.reason for fact in last_first if fact.reason), ()),
        next((fact.diagnoses for fact in last_first if fact.diagnoses), ()),
        tuple(sorted({code for fact in facts for code in fact.marks})),
    )


def is_withheld(visit: Visit, withheld: Withheld) -> bool:
    """Whether the whole visit must not be told of, by where it took place or how it is protected: then it has no summary."""
    return bool(visit.marks) and withheld(visit.marks)


def _visit_order(fact: VisitFact) -> tuple[datetime, int, str]:
    return fact.told, _RANK[fact.event], repr(fact)


def results(facts: Iterable[Fact], key: VisitKey) -> tuple[Result, ...]:
    """The latest version of each result of a visit, in the order of days, panels and names.

    A later report replaces an earlier one (OBR-22, else MSH-7); of one moment a correction (C) replaces a final one, and W and D
    take it back. Status U makes final what was preliminary and may repeat no value. What was taken back is shown as that and
    without its value, and not at all if no other version of it was told.
    """
    versions: dict[tuple[str, str, str, str], list[ObservationFact]] = {}
    for fact in set(facts):
        if isinstance(fact, ObservationFact) and fact.visit == key and fact.code:
            code = fact.code[0]
            name = (fact.order, code.code or code.text, code.system, fact.sub_id)
            versions.setdefault(name, []).append(fact)
    found = [made for each in versions.values() if (made := _result(each)) is not None]
    return tuple(sorted(found, key=_result_order))


def _result(facts: list[ObservationFact]) -> Result | None:
    facts.sort(key=_version_order)
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


def _version_order(fact: ObservationFact) -> tuple[datetime, int, datetime, str]:
    return fact.reported, _RESULT_RANK.get(fact.status, 0), fact.sent, repr(fact)


def _result_order(each: Result) -> tuple[str, ...]:
    observed = "" if each.observed is None else f"{each.observed.day.isoformat()} {each.observed.time}"
    panel, code = (each.panel or each.code)[0], each.code[0]
    return observed, panel.text, each.order, code.text, code.code, code.system, each.sub_id


def medicines_known(facts: Iterable[Fact], on: date) -> tuple[KnownMedicine, ...]:
    """The prescriptions of the chain's stores that run on a day, each with its latest fill, by name.

    One runs if nobody has cancelled or discontinued it by then, and its order or a fill is not older than CURRENT. A fill that went
    back to stock is its latest if none came after it.
    """
    told = history(facts, on)
    filled: dict[PrescriptionKey, list[Fill]] = {}
    for fill in told.fills:
        filled.setdefault(fill.key.prescription, []).append(fill)
    found = []
    for prescription in told.prescriptions:
        mine = filled.get(prescription.key, [])
        dated = [(fill.sold or fill.filled or fill.returned, fill) for fill in mine]
        days = [day for day, _ in dated if day is not None]
        since = max([*days, *([prescription.ordered] if prescription.ordered else [])], default=None)
        if prescription.ended is not None or since is None or on - since > CURRENT:
            continue
        latest = max(
            ((day, fill.key.number, fill) for day, fill in dated if day is not None),
            key=lambda each: each[:2],
            default=None,
        )
        found.append(KnownMedicine(prescription, None if latest is None else latest[2]))
    found.sort(key=lambda each: (each.prescription.medicine.text.lower(), each.prescription.key))
    return tuple(found)


def summary(
    visit: Visit,
    facts: Iterable[Fact],
    *,
    medicines: bool = True,
    withheld: Withheld | None = None,
    notice: str = "",
) -> Summary:
    """The summary of a visit. `medicines`: whether it names any; an agreement that covers the clinics only has none in it.

    `withheld` is asked with all the codes of an item (a result with its panel, coded values and marks, a medicine as ordered and as
    filled, a diagnosis, the reason); what it holds back is left out whole. `notice` is shown where anything was: whether the reader
    is told so is for the site to say.
    """
    known = set(facts)
    holds: Withheld = withheld or (lambda codes: False)
    all_results = results(known, visit.key)
    all_medicines = medicines_known(known, visit.ended.day) if medicines else ()
    kept_results = tuple(
        each for each in all_results if not holds((*each.code, *each.panel, *each.coded, *each.marks))
    )
    kept_medicines = tuple(each for each in all_medicines if not holds(_codes(each)))
    diagnoses = tuple(each for each in visit.diagnoses if not holds(each))
    reason = () if visit.reason and holds(visit.reason) else visit.reason
    anything = (
        len(kept_results) < len(all_results)
        or len(kept_medicines) < len(all_medicines)
        or len(diagnoses) < len(visit.diagnoses)
        or reason != visit.reason
    )
    shown = replace(visit, diagnoses=diagnoses, reason=reason)
    notices = (notice,) if notice and anything else ()
    return Summary(
        subject=subject_of(visit.key),
        day=visit.ended.day,
        names=tuple(sorted({fact.name for fact in known if isinstance(fact, PersonFact)} - {""})),
        visit=shown,
        results=kept_results,
        medicines=kept_medicines,
        unknown=tuple(_unknown(shown, kept_results, kept_medicines if medicines else None)),
        notices=notices,
        digest=_digest(shown, kept_results, kept_medicines, notices),
    )


def _codes(each: KnownMedicine) -> tuple[Medicine, ...]:
    ordered = each.prescription.medicine
    return (ordered,) if each.fill is None else (ordered, each.fill.medicine)


def _unknown(visit: Visit, found: Sequence[Result], known: Sequence[KnownMedicine] | None) -> Iterator[str]:
    if visit.attending is None:
        yield NO_CLINICIAN
    if not visit.reason:
        yield NO_REASON
    if not visit.diagnoses:
        yield NO_DIAGNOSES
    if not found:
        yield NO_RESULTS
    if known is None:
        yield NOT_COVERED
        return
    if not known:
        yield NO_MEDICINES
    yield ELSEWHERE


def _digest(
    visit: Visit, found: Sequence[Result], known: Sequence[KnownMedicine], notices: Sequence[str]
) -> str:
    content = [
        [visit.key, visit.ended, visit.began, visit.place, visit.attending, visit.reason, visit.diagnoses],
        [astuple(each) for each in found],
        [each.prescription.medicine for each in known],
        notices,
    ]
    written = json.dumps(content, default=str, separators=(",", ":"))
    return hashlib.sha256(written.encode("ascii")).hexdigest()

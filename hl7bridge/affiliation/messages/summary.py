"""What is known of a clinic visit that has ended, put together for the patient's own physician.

`summary` puts one together: where and when (`visits`), results in their latest version (`results`), diagnoses, and the medicines this
chain's stores know, as of the day the visit ended. The same facts give the same summary whatever their order and however often they
were told.

What is withheld is left out as a whole item, by any code it bears. What is not known is said. Refuses to know messages, pages, stores
and clocks. Raises nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from operator import attrgetter
from typing import Final

from hl7bridge.affiliation.alerts.case import subject
from hl7bridge.affiliation.facts.facts import Fact, Medicine, PersonFact, PrescriptionKey, VisitKey
from hl7bridge.affiliation.history.fills import Fill, Prescription
from hl7bridge.affiliation.history.history import history
from hl7bridge.affiliation.history.results import Result, results
from hl7bridge.affiliation.history.visits import Visit, Withheld

#: A prescription is named while its order or a fill of it is no older than this: most states let one be filled for a year.
CURRENT: Final = timedelta(days=365)

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

_parts_of = attrgetter(*(field.name for field in fields(Result)))


@dataclass(frozen=True, slots=True)
class KnownMedicine:
    """A prescription that a store of the chain knows, and its latest fill, if any."""

    prescription: Prescription
    fill: Fill | None


@dataclass(frozen=True, slots=True)
class Summary:
    """A visit's summary. `subject` is its name for as long as it is the same visit, `day` the day that the visit ended.

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

    @property
    def digest(self) -> str:
        """It changes with what the summary says of the visit, its results and the medicines it names, and with nothing else: who the
        patient or the recipient is called, and whether a medicine has been picked up meanwhile, make no new version.
        """
        visit = self.visit
        content = [
            [
                visit.key,
                visit.ended,
                visit.began,
                visit.place,
                visit.attending,
                visit.reason,
                visit.diagnoses,
            ],
            [_parts_of(each) for each in self.results],
            [each.prescription.medicine for each in self.medicines],
            self.notices,
        ]
        written = json.dumps(content, default=str, separators=(",", ":"))
        return hashlib.sha256(written.encode("ascii")).hexdigest()


class Record:
    """What summaries of one patient are made of: each part is put together once, however many visits and readers ask for it."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._facts = list(facts)
        self._medicines: dict[date, tuple[KnownMedicine, ...]] = {}
        self._results: dict[VisitKey, tuple[Result, ...]] = {}
        self.names = tuple(sorted({fact.name for fact in self._facts if isinstance(fact, PersonFact)} - {""}))

    def medicines(self, on: date) -> tuple[KnownMedicine, ...]:
        """The medicines known on a day."""
        found = self._medicines.get(on)
        if found is None:
            found = self._medicines[on] = medicines_known(self._facts, on)
        return found

    def results(self, visit: VisitKey) -> tuple[Result, ...]:
        """The results of a visit."""
        found = self._results.get(visit)
        if found is None:
            found = self._results[visit] = results(self._facts, visit)
        return found


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


def subject_of_visit(key: VisitKey) -> str:
    """The name of the summary of a visit."""
    return subject("visit-summary", *key)


def summary(
    visit: Visit,
    record: Record,
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
    holds: Withheld = withheld or (lambda codes: False)
    all_results = record.results(visit.key)
    all_medicines = record.medicines(visit.ended.day) if medicines else ()
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
    return Summary(
        subject=subject_of_visit(visit.key),
        day=visit.ended.day,
        names=record.names,
        visit=shown,
        results=kept_results,
        medicines=kept_medicines,
        unknown=tuple(_unknown(shown, kept_results, kept_medicines if medicines else None)),
        notices=(notice,) if notice and anything else (),
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

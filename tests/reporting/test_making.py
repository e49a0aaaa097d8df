"""A report made from a store: whom it finds, what it reads, the files it leaves, and that nothing is left where it fails."""

from __future__ import annotations

import csv
import hashlib
import stat
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.affiliation.alerts.alerts import Kind
from hl7bridge.affiliation.facts.data import packed
from hl7bridge.affiliation.facts.facts import Fact, PatientNumber, PersonFact
from hl7bridge.affiliation.messages.alertmessage import AlertTold, packed_alert
from hl7bridge.affiliation.report.lines import Period
from hl7bridge.affiliation.report.rows import Row
from hl7bridge.affiliation.tables.interactions import NO_LIST
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.loading.folder import load
from hl7bridge.errors import HL7BridgeError
from hl7bridge.reporting.aside import Aside
from hl7bridge.reporting.make import Report, report
from hl7bridge.store.base import Batch, MessageStatus, NewMessage, NoticeRow, RosterEntry
from hl7bridge.store.hashes import Hashes
from hl7bridge.store.memory.store import MemoryStore
from tests.affiliation.test_report import FALLING, NOT_PICKED_UP, told_of

AT = datetime(2026, 5, 2, 6, 0, tzinfo=UTC)
APRIL = Period(date(2026, 4, 1), date(2026, 4, 30))
MEDSTAR = """affiliate: medstar
name: MedStar Health
agreement: {pharmacy: 2016-01-01}
identifiers: {authority: MEDSTAR, type: MR}
roster: rosters/medstar.csv
send: {mllp: {host: 127.0.0.1, port: 6701}}
"""
FILES = {
    "affiliates/medstar.yaml": MEDSTAR,
    "affiliates/rush.yaml": MEDSTAR.replace("medstar", "rush")
    .replace("MEDSTAR", "RUSH")
    .replace("pharmacy", "clinic"),
    "tables/medicines.csv": "code,system,ingredients\nmetformin,NDC,6809\nsimvastatin,NDC,36567\natorvastatin,NDC,83367\n",
    "tables/ingredients.csv": "rxcui,name,classes\n6809,metformin,diabetes\n36567,simvastatin,statins\n83367,atorvastatin,statins\n",
    "tables/withheld.csv": "category,system,code,text\nstatins,CLASS,statins,\nminors,AGE,18,\n",
}


def configured(**more: str) -> Configuration:
    """The configuration, with more text behind the affiliate's."""
    files = {
        **FILES,
        "affiliates/medstar.yaml": MEDSTAR + "".join(f"{key}: {text}\n" for key, text in more.items()),
    }
    return load({path: text.encode() for path, text in files.items()}, lambda _: "", kept=True)


class Site:
    """A store with patients. Each has a number of the chain's, and one of MedStar's."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.hashes = Hashes(self.store.key)
        self.roster: list[RosterEntry] = []
        self._count = 0

    def patient(
        self,
        number: str,
        facts: Iterable[Fact],
        *,
        family: str = "DOE",
        born: date = date(1948, 2, 3),
        notices: Iterable[AlertTold] = (),
    ) -> None:
        """Somebody of whom messages told."""
        own, its = (self.hashes.patient(authority, number.encode()) for authority in (b"RETAIL", b"MEDSTAR"))
        numbers = (PatientNumber(number, "RETAIL", "PI"), PatientNumber(number, "MEDSTAR", "MR"))
        person = PersonFact(family, "JANE", born, "F", numbers)
        data = [packed(fact) for fact in [person, *facts]]
        self._count += 1
        told = tuple(
            NoticeRow(own, "medstar", self.hashes.subject(each.alert.subject), 1, 2, 0, 1, packed_alert(each))
            for each in notices
        )
        message = NewMessage(
            self._count, 1, "rx", "", str(self._count), 1, self._count, MessageStatus.RECEIVED, "AA", "v", b"raw",
            patient_keys=(own, its), facts=tuple((self.hashes.fact(each), each) for each in data),
            aliases=((own, its, False),), notices=told,
        )  # fmt: skip
        self.store.commit(Batch(messages=[message]))
        self.roster += [RosterEntry(own), RosterEntry(its, 20260101, npi="1234567893")]

    def publish(self) -> None:
        """All of them are on MedStar's roster, under both numbers."""
        for affiliate in ("medstar", "rush"):
            *_, last = self.store.stage_roster(affiliate, self.roster, True, 1)
            self.store.publish_rosters([last.load], 1)

    def report(
        self,
        to: Path,
        affiliate: str = "medstar",
        period: Period = APRIL,
        *,
        csv: bool = True,
        pdf: bool = True,
        **more: str,
    ) -> Report:
        """Its report."""
        return report(
            self.store, configured(**more), NO_LIST, affiliate, period, to, csv=csv, pdf=pdf, made=AT
        )


@pytest.fixture
def site() -> Site:
    made = Site()
    made.patient("1", NOT_PICKED_UP, family="=ZIEGLER")
    made.patient("2", FALLING, family="Adams")
    made.patient("3", NOT_PICKED_UP, family="Young", born=date(2015, 1, 1))
    made.patient("4", [], notices=[told_of(NOT_PICKED_UP, Kind.NOT_PICKED_UP, date(2026, 4, 20))])
    made.publish()
    return made


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_patient_comes_once_however_many_numbers_the_roster_knows(site: Site, tmp_path: Path) -> None:
    made = site.report(tmp_path / "april")
    assert (made.listed, made.patients, made.held) == (4, 4, 0)
    assert made.lines == {"not-picked-up": 3, "adherence-falling": 1, "days-covered": 1}
    rows = read(tmp_path / "april" / "not-picked-up.csv")
    assert [(row["family_name"], row["patient_number"], row["standing"]) for row in rows] == [
        ("'=ZIEGLER", "1", "in force"),
        ("DOE", "4", "taken back"),
        ("Young", "3", "in force"),
    ]
    assert {row["primary_care_npi"] for row in rows} == {"1234567893"}
    [summary] = [
        row for row in read(tmp_path / "april" / "summary.csv") if row["figure"] == "patients on the roster"
    ]
    assert summary["value"] == "4"


def test_a_summary_that_was_told_is_no_alert(site: Site, tmp_path: Path) -> None:
    own = site.hashes.patient(b"RETAIL", b"4")
    told = NoticeRow(own, "medstar", 77, 1, 1, 0, 902, b"\x01[]")
    message = NewMessage(
        9, 1, "programme", "", "9", 1, 9, MessageStatus.RECEIVED, "", "v", b"raw", notices=(told,)
    )
    site.store.commit(Batch(messages=[message]))
    assert site.report(tmp_path / "april").lines["not-picked-up"] == 3


def test_the_files_are_named_with_their_digests_and_are_for_their_owner_alone(
    site: Site, tmp_path: Path
) -> None:
    to = tmp_path / "new" / "april"
    made = site.report(to)
    assert sorted(path.name for path in to.iterdir()) == sorted(made.files)
    assert {
        "report.pdf",
        "summary.csv",
        "alerts.csv",
        "primary-non-adherence.csv",
        "intervention.csv",
    } <= made.files.keys()
    assert stat.S_IMODE(to.stat().st_mode) == 0o700
    for name, digest in made.files.items():
        assert stat.S_IMODE((to / name).stat().st_mode) == 0o600
        assert hashlib.sha256((to / name).read_bytes()).hexdigest() == digest
    assert read(to / "intervention.csv") == []
    assert site.report(tmp_path / "again").files == made.files, "the same store and moment, the same bytes"
    assert site.report(tmp_path / "pages", csv=False).files.keys() == {"report.pdf"}
    assert "report.pdf" not in site.report(tmp_path / "lists", pdf=False).files


def test_what_is_withheld_is_nowhere_in_the_files(site: Site, tmp_path: Path) -> None:
    made = site.report(tmp_path / "april", withhold="[statins, minors]")
    assert made.lines == {"not-picked-up": 2}
    assert (made.listed, made.patients) == (4, 2)
    text = "".join(path.read_text() for path in (tmp_path / "april").glob("*.csv")).lower()
    for word in ("statin", "young", "adams"):
        assert word not in text
    assert read(tmp_path / "april" / "days-covered-by-class.csv") == []


def test_what_the_allow_list_keeps_back_is_not_in_a_report(site: Site, tmp_path: Path) -> None:
    site.report(tmp_path / "april", allow="{only: [PID-3, OBR, OBX]}")
    for row in read(tmp_path / "april" / "not-picked-up.csv"):
        assert (row["family_name"], row["given_name"], row["birth_date"]) == ("", "", "")
        assert row["patient_number"]


@pytest.mark.parametrize(
    ("affiliate", "period", "code"),
    [
        ("nobody", APRIL, "unknown-affiliate"),
        ("rush", APRIL, "not-covered"),
        ("medstar", Period(date(2026, 5, 3), date(2026, 5, 31)), "period-to-come"),
        ("medstar", Period(date(2026, 4, 3), date(2026, 4, 2)), "period-to-come"),
        ("medstar", Period(date(2015, 4, 1), date(2015, 4, 2)), "not-covered"),
    ],
)
def test_a_report_that_may_not_be_is_refused_and_leaves_nothing(
    site: Site, tmp_path: Path, affiliate: str, period: Period, code: str
) -> None:
    with pytest.raises(HL7BridgeError) as refused:
        site.report(tmp_path / "april", affiliate, period)
    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_a_period_that_has_not_ended_ends_today(site: Site, tmp_path: Path) -> None:
    assert site.report(tmp_path / "may", period=Period(date(2026, 5, 1), date(2026, 5, 31))).through == date(
        2026, 5, 2
    )


def test_nothing_is_written_over_and_nothing_half_written_is_left(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.report(tmp_path / "april")
    with pytest.raises(HL7BridgeError, match="there already"):
        site.report(tmp_path / "april")
    site.patient("5", [])
    own = site.hashes.patient(b"RETAIL", b"5")
    broken = NewMessage(
        99, 1, "rx", "", "99", 1, 99, MessageStatus.RECEIVED, "AA", "v", b"raw", patient_keys=(own,), facts=((1, b"\x99?"),)
    )  # fmt: skip
    site.store.commit(Batch(messages=[broken]))
    site.publish()
    with pytest.raises(ValueError, match="format"):
        site.report(tmp_path / "second")
    assert [path.name for path in tmp_path.iterdir()] == ["april"]


def test_a_patient_who_is_held_is_counted_for_the_operator_alone(site: Site, tmp_path: Path) -> None:
    site.patient("1", FALLING, born=date(1999, 9, 9))
    made = site.report(tmp_path / "april")
    assert (made.held, made.lines["not-picked-up"]) == (1, 2)
    assert "held" not in "".join(path.read_text() for path in (tmp_path / "april").glob("*.csv"))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=3)), max_size=40), st.integers(1, 7))
def test_rows_laid_aside_come_back_in_order_whatever_fits_into_memory(
    tmp_path_factory: pytest.TempPathFactory, given: list[tuple[str, str]], most: int
) -> None:
    rows = [Row(section, (key, str(number)), (key,)) for number, (section, key) in enumerate(given)]
    folder = tmp_path_factory.getbasetemp()
    with Aside(folder, most) as aside:
        for row in rows:
            aside.add(row)
        assert list(aside) == list(aside) == sorted(rows)
        assert aside.counts.total() == len(rows)


def test_an_authority_that_two_affiliates_share_is_each_ones_own() -> None:
    hospital = MEDSTAR.replace("affiliate: medstar", "affiliate: georgetown")
    files = FILES | {"affiliates/georgetown.yaml": hospital}
    found = load({path: text.encode() for path, text in files.items()}, lambda _: "", kept=True)
    assert found.authorities_but("medstar") == {"RUSH"}
    assert found.authorities_but("rush") == {"MEDSTAR"}
    assert found.authorities_but("") == {"MEDSTAR", "RUSH"}

"""Pages as a reader finds them: their text, their number, and the same bytes for the same content."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from io import BytesIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from hl7bridge.affiliation.facts.facts import Coded, Dispensed, PatientNumber, PersonFact, VisitEvent
from hl7bridge.affiliation.messages.recipient import Recipient
from hl7bridge.affiliation.messages.summary import ELSEWHERE, NO_RESULTS, Summary
from hl7bridge.affiliation.messages.summarymessage import Patient
from hl7bridge.documents.cover import cover_sheet
from hl7bridge.documents.join import BadDocument, joined, page_count
from hl7bridge.documents.page import CONFIDENTIAL, Letterhead
from hl7bridge.documents.typeface import MISSING, MISSING_NOTE, shown
from hl7bridge.documents.visit import Replaced, summary_pages, withdrawal_pages
from tests.affiliation.visiting import DAY, KEY, NUMBERS, PERSON, filled, ordered, result, summed, told

AT = datetime(2026, 11, 19, 16, 0, tzinfo=UTC)
CLINIC = Letterhead("Lantern Clinic Northgate", ("1200 Northgate Way, Milwaukee, WI 53202",))
PATIENT = Patient(NUMBERS, PERSON)
FAX = Recipient("Dr. Ada Okonkwo", "1234567893", "+1 555 555 0142", "12 Elm St", "Springfield", "IL", "62701")


def pages(pdf: bytes) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(pdf)).pages]


def read(summary: Summary, patient: Patient = PATIENT, replaces: Replaced | None = None) -> str:
    return " ".join(pages(summary_pages(summary, patient, CLINIC, "D1", made=AT, replaces=replaces)))


def test_the_page_says_who_where_when_and_what() -> None:
    found = read(
        summed(
            result("A1C", "5.9", units="%", reference="4.0-5.6", flag="H"),
            ordered("4", "amoxicillin 500 mg", DAY),
            ordered("1", "lisinopril 10 mg", date(2026, 10, 1)),
            filled("1", "lisinopril 10 mg", Dispensed.FILLED, date(2026, 10, 2)),
            filled("1", "lisinopril 10 mg", Dispensed.SOLD, date(2026, 10, 3)),
        )
    )
    for words in (
        "Lantern Clinic Northgate",
        "NÚÑEZ, ŁUCJA",
        "Jan 30, 1985",
        "female",
        "L551207 LAKEVIEW MR",
        "Nov 19, 2026 09:01 to 09:48",
        "HANNAH PRUITT, NP",
        "Cough (I10 R05)",
        "Streptococcal pharyngitis (I10 J02.0)",
        "5.9 % ▲ high 4.0-5.6",
        "amoxicillin 500 mg Nov 19, 2026 not dispensed here",
        "picked up Oct 3, 2026 30 days 2",
        ELSEWHERE,
        CONFIDENTIAL,
        "document D1 Page 1 of 1",
    ):
        assert words in found
    assert "CORRECTED" not in found


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Dispensed.FILLED, "filled Nov 2, 2026, not picked up by then"),
        (Dispensed.SOLD, "picked up Nov 2, 2026"),
        (Dispensed.RETURNED, "returned to stock Nov 2, 2026, not picked up here"),
    ],
)
def test_of_a_medicine_no_more_is_said_than_is_known(event: Dispensed, words: str) -> None:
    assert words in read(summed(filled("1", "metformin", event, date(2026, 11, 2))))


def test_a_correction_says_what_it_replaces_on_its_first_page() -> None:
    pdf = summary_pages(summed(), PATIENT, CLINIC, "D2", made=AT, replaces=Replaced("D1", AT))
    assert "CORRECTED. This replaces the summary D1, sent on Nov 19, 2026 16:00 UTC" in pages(pdf)[0]


def test_results_say_when_they_are_not_what_they_were() -> None:
    found = read(
        summed(
            result("A1C", "5.9"),
            result("A1C", "6.1", "C", 5),
            result("GLU", "108"),
            result("GLU", "", "W", 9),
            result("K", "3.1", "P"),
        )
    )
    assert "corrected result" in found
    assert "taken back by the laboratory: do not use" in found
    assert "108" not in found
    assert "preliminary, may still change" in found


def test_what_is_not_known_is_said() -> None:
    found = read(summed(), Patient(NUMBERS[:1], None))
    assert NO_RESULTS in found
    assert "patient's name not known" in found


def test_the_patient_is_named_as_last_said_and_what_was_said_before_is_told() -> None:
    last = PersonFact("DOE", "", None, "")
    found = read(summed(last), Patient(NUMBERS, last))
    assert "DOE also sent as NÚÑEZ, ŁUCJA" in found
    assert "also sent as" not in read(summed())


def test_a_long_summary_repeats_heads_and_names_the_patient_on_every_sheet() -> None:
    many = [result(f"T{i}", "1" * 20, order=f"F{i}") for i in range(90)]
    found = pages(summary_pages(summed(*many), PATIENT, CLINIC, "D1", made=AT))
    assert len(found) >= 3
    for number, page in enumerate(found, 1):
        assert f"document D1 Page {number} of {len(found)}" in page
        assert "born Jan 30, 1985: NÚÑEZ, ŁUCJA" in page
    assert sum("Reference range" in page for page in found) >= 3
    assert sum("1" * 20 in page for page in found) >= 3


def test_a_long_text_runs_over_sheets_below_the_table_and_says_where_it_is_cut() -> None:
    found = read(summed(result("REPORT", "\n".join(f"line {i}" for i in range(150)), cut=True)))
    assert "see below (1)" in found
    assert "line 149" in found
    assert "longer than is kept here" in found


@pytest.mark.parametrize(
    "name",
    [
        "Núñez",
        "Łukasz",
        "Nguyễn Thị Phượng",
        "Žižek",
        "Ōkubo",
        "Ağaoğlu",
        "Ștefan",
        "Иванова",
        "Παπαδοπούλου",
    ],
)
def test_names_are_written_right(name: str) -> None:
    assert name in read(summed(), Patient(NUMBERS, PersonFact(name, "", None, "")))
    assert MISSING not in shown(name)


@pytest.mark.parametrize("name", ["王小明", "محمد", "דוד", "山田 A", "\ud83d", "ก", "😀"])
def test_what_cannot_be_drawn_is_marked_and_explained_and_never_left_out(name: str) -> None:
    found = read(summed(), Patient(NUMBERS, PersonFact(name, "DOE", None, "")))
    assert MISSING in shown(name)
    assert MISSING_NOTE in found
    assert f"{shown(name)}, DOE" in found


def test_accents_that_stand_apart_are_joined_and_invisible_characters_left_out() -> None:
    assert shown("Nu\u0301n\u0303ez\u200b\u202e") == "Núñez"
    assert shown("x" * 400) == "x" * 299 + "…"
    assert shown("<b>&amp;") == "<b>&amp;"


def test_equal_content_gives_equal_bytes_and_the_file_tells_of_the_event_and_no_patient() -> None:
    summary = summed(result("A1C", "5.9"))
    one, other = (summary_pages(summary, PATIENT, CLINIC, "D1", made=AT) for _ in range(2))
    assert one == other
    assert one != summary_pages(summary, PATIENT, CLINIC, "D1", made=AT + timedelta(1))
    about = PdfReader(BytesIO(one)).metadata
    assert about is not None
    assert about.creation_date == AT
    assert about.title == "Visit summary"


def test_a_withdrawal_says_so_and_holds_nothing_clinical() -> None:
    pdf = withdrawal_pages(KEY, PATIENT, CLINIC, "D3", made=AT, withdrawn=Replaced("D1", AT))
    [found] = pages(pdf)
    assert "WITHDRAWN. The visit summary D1, sent on Nov 19, 2026" in found
    assert "NÚÑEZ, ŁUCJA" in found
    assert "pharyngitis" not in found


def test_a_cover_sheet_names_sender_and_recipient_and_the_pages_and_no_patient() -> None:
    [found] = pages(cover_sheet(FAX, CLINIC, reference="77", pages=3, made=AT))
    for words in (
        "FAX",
        "Dr. Ada Okonkwo",
        "+1 555 555 0142",
        "4, this one included",
        "Springfield, IL 62701",
        "77",
    ):
        assert words in found
    assert "may have reached you before" not in found
    [again] = pages(
        cover_sheet(Recipient("A", "", "", "1 St", "B"), CLINIC, reference="7", pages=1, made=AT, again=True)
    )
    assert "BY MAIL" in again
    assert "may have reached you before" in again


def test_documents_are_joined_in_order_and_always_to_the_same_bytes() -> None:
    cover = cover_sheet(FAX, CLINIC, reference="77", pages=1, made=AT)
    pdf = summary_pages(summed(), PATIENT, CLINIC, "D1", made=AT)
    whole = joined([cover, pdf])
    assert whole == joined([cover, pdf])
    assert page_count(whole) == 2
    assert "this one included" in pages(whole)[0]
    assert "VISIT SUMMARY" in pages(whole)[1]


@pytest.mark.parametrize("data", [b"", b"no pdf", b"%PDF-1.4\n%%EOF", b"%PDF-1.7\n" + b"\xff" * 500])
def test_what_is_no_pdf_is_refused_without_its_content(data: bytes) -> None:
    for act in (lambda: page_count(data), lambda: joined([data])):
        with pytest.raises(BadDocument, match="no PDF"):
            act()


text = st.text(max_size=40) | st.sampled_from(["<para>", "</font>", "&#0;", "x" * 5000, "\n" * 50, "a\tb"])


@settings(max_examples=25, deadline=None)
@given(text, text, text, st.sampled_from(["H", "", "?", "<"]))
@example("W" * 900, "W" * 2000, "W" * 900, "W" * 900)
@example("\n" * 900, "\n" * 2000, "x\n" * 900, "\n")
def test_no_text_breaks_a_page(name: str, value: str, words: str, flag: str) -> None:
    summary = summed(
        result(
            "T", value[:2000], flag=flag, units=words, reference=words, panel=(Coded(words, words, words),)
        ),
        ordered("1", words, DAY),
        told(
            VisitEvent.TOLD,
            99,
            place=words,
            reason=(Coded(words, words, name),),
            diagnoses=((Coded("", "", name),),),
        ),
        notice=name,
        withheld=lambda codes: False,
    )
    numbers = [PatientNumber(words, name, words)] * 9
    patient = Patient(numbers, PersonFact(name, words, None, words))
    assert page_count(summary_pages(summary, patient, Letterhead(words, (name,)), "D1", made=AT)) >= 1

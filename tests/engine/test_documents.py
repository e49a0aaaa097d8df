"""Documents from a message to the outbox or the mail server, through the whole engine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email import message_from_bytes, policy
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from hl7bridge.affiliation.messages.recipient import Recipient
from hl7bridge.affiliation.messages.summarymessage import (
    Envelope,
    Patient,
    summary_message,
    withdrawal_message,
)
from hl7bridge.channel.settings import SmtpTarget
from hl7bridge.connectors.outgoing import Unsendable
from hl7bridge.delivery.entry import Entry
from hl7bridge.documents.page import Letterhead
from hl7bridge.documents.visit import summary_pages
from hl7bridge.engine.delivering.documents import Cover, mail, outgoing
from hl7bridge.testing.world import World
from tests.affiliation.visiting import KEY, NUMBERS, PERSON, result, summed
from tests.engine.site import Site, act, deliveries, send, statuses

AT = datetime(2026, 11, 19, 16, 0, tzinfo=UTC)
FAX = Recipient("Dr. Ada Okonkwo", "1234567893", "+1 555 555 0142", "12 Elm St", "Springfield", "IL", "62701")
PATIENT = Patient(NUMBERS, PERSON)
CHANNEL = "channel: pharmacy\nsource: {mllp: {port: 2575}}\nsend_to: [hospital]\n"
OUTBOX = (
    "destination: hospital\n"
    "send: {documents: {folder: outbox, cover: yes, sender: Lantern, confirm_within: 2h}}\n"
    "retry: {first: 1s, factor: 2, most: 10s, jitter: 0%, give_up: 3d}\n"
)


def document(number: int = 1, recipient: Recipient | None = FAX, pdf: bytes | None = None) -> bytes:
    found = summed(result("A1C", "5.9"))
    pages = summary_pages(found, PATIENT, Letterhead("Clinic"), "D1", made=AT) if pdf is None else pdf
    return summary_message(
        found.visit, PATIENT, pages, Envelope(f"S{number}", AT, ""), "D1", recipient=recipient
    )


def box(world: World) -> list[str]:
    folder = world.folder.parent / "data" / "outbox"
    return sorted(
        path.relative_to(folder).as_posix() for path in [*folder.glob("*.*"), *folder.glob("done/*")]
    )


def rename(world: World, before: str, after: str) -> None:
    [path] = (world.folder.parent / "data" / "outbox").glob(f"*.{before}")
    path.rename(path.with_suffix(f".{after}"))


@pytest.fixture
def world(site: Site) -> World:
    return site(pharmacy=CHANNEL, destinations__hospital=OUTBOX)


def test_a_document_waits_for_its_confirmation_and_then_counts_as_sent(world: World) -> None:
    send(world, document())
    world.run(60)
    assert statuses(world) == ["SENDING"]
    [ready] = box(world)
    folder = world.folder.parent / "data" / "outbox" / ready
    about = json.loads((folder / "document.json").read_text())
    assert (about["id"], about["recipient"], about["fax"], about["pages"], about["control_id"]) == (
        str(deliveries(world)[0].id),
        "Dr. Ada Okonkwo",
        "+1 555 555 0142",
        2,
        "S1",
    )
    assert "NÚÑEZ" not in (folder / "document.json").read_text()
    first, second = PdfReader(folder / "document.pdf").pages
    assert "this one included" in first.extract_text()
    assert "NÚÑEZ" not in first.extract_text()
    assert "NÚÑEZ" in second.extract_text()
    rename(world, "ready", "claimed")
    rename(world, "claimed", "sent")
    world.run(10, world.settled)
    assert statuses(world) == ["SENT"]
    assert [path.split("/")[0] for path in box(world)] == ["done"]


def test_many_documents_of_one_patient_are_out_at_once(world: World) -> None:
    send(world, *(document(number) for number in range(30)))
    world.run(10)
    assert len(box(world)) == 30
    assert statuses(world) == ["SENDING"] * 30


@pytest.mark.parametrize("meanwhile", ["ready", "claimed", "sent"])
def test_after_a_crash_there_is_still_one_folder_and_one_end(world: World, meanwhile: str) -> None:
    send(world, document())
    world.run(10)
    if meanwhile != "ready":
        rename(world, "ready", meanwhile)
    world.crash()
    world.start()
    world.run(10)
    assert len(box(world)) == 1
    if meanwhile != "sent":
        rename(world, meanwhile, "sent")
    world.run(10, world.settled)
    assert statuses(world) == ["SENT"]
    assert len(box(world)) == 1


def test_what_the_gateway_fails_is_tried_again_in_the_same_folder(world: World) -> None:
    send(world, document())
    world.run(10)
    [name] = box(world)
    rename(world, "ready", "failed")
    world.run(20)
    assert box(world) == [name]
    row = deliveries(world)[0]
    assert (row.attempts, row.status.name) == (1, "SENDING")


def test_what_nobody_claims_is_taken_back_and_offered_again(world: World) -> None:
    send(world, document())
    world.run(7300)
    row = deliveries(world)[0]
    assert row.attempts == 1
    assert row.possible_duplicate is False


@pytest.mark.parametrize(
    "message",
    [
        document(recipient=None),
        document(recipient=Recipient("Nobody")),
        document(pdf=b"no pdf"),
        document(pdf=b"%PDF-1.7 broken"),
        withdrawal_message(KEY, PATIENT, Envelope("S1", AT, ""), "D1", recipient=FAX),
    ],
)
def test_what_is_no_document_or_goes_to_nobody_fails_and_is_seen(world: World, message: bytes) -> None:
    send(world, message)
    world.run(10, world.settled)
    assert statuses(world) == ["FAILED"]
    assert box(world) == []
    assert act(world, "cancel", [deliveries(world)[0].id]) is not None


# -- mail ---------------------------------------------------------------------------------------------------------------------

TARGET = SmtpTarget("relay", 25, "no", "records@example.org", "${ZDR-3}@fax.example.org", "Document ${id}")


def entry(**more: Any) -> Entry:
    return Entry(77, 1, (), None, int(AT.timestamp() * 1e6), **more)


def test_a_mail_holds_the_document_and_tells_of_nobody() -> None:
    made = mail(TARGET, Cover("Lantern", ()), entry(), document())
    assert (made.sender, made.to) == ("records@example.org", "+15555550142@fax.example.org")
    letter: Any = message_from_bytes(made.text, policy=policy.default)
    assert (letter["Subject"], letter["Message-ID"]) == ("Document 77", "<77.hl7bridge@example.org>")
    [attached] = list(letter.iter_attachments())
    assert attached.get_filename() == "document-77.pdf"
    assert len(PdfReader(BytesIO(attached.get_content())).pages) == 2
    outside = made.text.decode("ascii").split("Content-Type: application/pdf")[0]
    for secret in ("DOE", "NÚÑEZ", "L551207", "A1c", "Okonkwo"):
        assert secret not in outside
    assert made == mail(TARGET, Cover("Lantern", ()), entry(), document())


def test_a_repetition_says_so_on_its_cover_sheet() -> None:
    found = outgoing(Cover("Lantern", ()), entry(possible_duplicate=True), document())
    assert found.about["possible_duplicate"] is True
    assert "may have reached you before" in " ".join(
        PdfReader(BytesIO(found.pdf)).pages[0].extract_text().split()
    )


def test_a_mail_to_nobody_is_refused() -> None:
    post = Recipient("A", street="1 St", city="B")
    with pytest.raises(Unsendable, match="address"):
        mail(TARGET, None, entry(), document(recipient=post))

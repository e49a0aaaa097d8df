"""Names of files that messages are written to."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.channel.written.filename import file_name
from hl7bridge.hl7.message import Message

NOON = datetime(2026, 11, 21, 12, 30, 5, tzinfo=UTC)


def test_words_and_paths_are_put_in() -> None:
    message = Message(b"MSH|^~\\&|A|B|||||ADT^A08|K 1/..|P\rPID|||7^^^R\r")
    made = file_name(
        "${date}/${time}-${id}-${MSH-10}-${type}-${PID-3.1}.hl7", message, id="42", received=NOON
    )
    assert made == "2026-11-21/123005-42-K_1_..-ADT_A08-7.hl7"


@given(st.binary(max_size=60))
def test_what_a_message_supplies_never_leaves_the_folder(value: bytes) -> None:
    value = value.replace(b"|", b"").replace(b"\r", b"").replace(b"\n", b"")
    message = Message(b"MSH|^~\\&|A|B|||||ADT^A08|" + value + b"|P\r")
    made = file_name("${MSH-10}/${id}.hl7", message, id="1", received=NOON)
    folder, name = made.split("/")
    assert name == "1.hl7"
    assert folder
    assert not folder.startswith(".")
    assert len(folder) <= 80

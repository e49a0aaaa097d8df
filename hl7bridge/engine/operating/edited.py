"""An edited copy of a message, which goes through the channel in its place and stays linked to it.

Raises HL7BridgeError where the file is not one message, or one of another patient.
"""

from __future__ import annotations

from typing import Final

from hl7bridge.connectors.message_file import read_messages
from hl7bridge.engine.keeping.identity import patient_keys
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.identifiers import merge_identifiers, patient_identifiers
from hl7bridge.hl7.message import Message
from hl7bridge.hl7.mllp import TooLarge
from hl7bridge.store.base import MessageRow
from hl7bridge.store.hashes import Hashes

#: The flag of a copy that a person has edited.
EDITED: Final = "edited"
#: What one message may be at most, whatever its source allows.
_MOST_BYTES: Final = 64 * 1024 * 1024


def read_edited(path: str) -> bytes:
    """The one message of a file."""
    found: list[bytes] = []
    for each in read_messages(path, _MOST_BYTES):
        if each is None:
            continue
        if isinstance(each, TooLarge) or found:
            what = (
                "the message is too large"
                if isinstance(each, TooLarge)
                else "the file holds several messages"
            )
            raise HL7BridgeError(what, code="bad-edited", place=path, hint="an edited copy is one message")
        found.append(each)
    if not found:
        raise HL7BridgeError("the file holds no message", code="bad-edited", place=path)
    return found[0]


def must_be_of_its_patient(hashes: Hashes, edited: Message, row: MessageRow) -> None:
    """A copy that bears no number of the original's patient is another message, and no edited copy of this one."""
    keys = patient_keys(hashes, (*patient_identifiers(edited), *merge_identifiers(edited)))
    if row.patient_keys and not set(keys) & set(row.patient_keys):
        raise HL7BridgeError(
            f"the edited copy bears no number of the patient of message {row.id}",
            code="another-patient",
            hint="`replay FILE --source NAME` takes it in as a message of its own",
        )

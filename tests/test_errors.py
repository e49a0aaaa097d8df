from __future__ import annotations

from hl7bridge.errors import HL7BridgeError


def test_an_error_reads_as_one_line_with_place_and_hint() -> None:
    error = HL7BridgeError(
        "no such key", code="unknown-key", place="channels/a.yaml:3:5", hint="did you mean map?"
    )
    assert str(error) == "channels/a.yaml:3:5: no such key (did you mean map?)"
    assert error.code == "unknown-key"


def test_place_and_hint_may_be_absent() -> None:
    assert str(HL7BridgeError("the store is full", code="full")) == "the store is full"

"""Lists on a store, and acts on what they list: a mistake in what was typed is no good news."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stored import Stored

FILES = {
    "pharmacy.yaml": "channel: pharmacy\nsource: {mllp: {port: 2575}}\nsend_to: [rush]\n",
    "rush.yaml": "destination: rush\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n",
}
MESSAGE = (
    b"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||RDE^O11^RDE_O11|C1|P|2.5.1\rPID|1||7^^^RETAIL^PI\rORC|NW|1\r"
)


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    made = Stored(tmp_path, FILES)
    made.world.start()  # nobody listens on the port of the hospital
    made.receives(MESSAGE, seconds=5)
    return made


def test_what_waits_is_listed(stored: Stored) -> None:
    result = stored.command("queue", "list")
    assert (result.exit_code, " rush " in result.stdout) == (0, True)
    assert "no delivery is SENT" in stored.command("queue", "list", "--status", "sent").stdout


@pytest.mark.parametrize("words", [("queue", "list"), ("messages",), ("audit", "list"), ("patient", "held")])
def test_a_limit_below_zero_does_not_say_that_there_is_nothing(
    stored: Stored, words: tuple[str, ...]
) -> None:
    result = stored.command(*words, "--limit", "-1")
    assert (result.exit_code, "--limit" in result.output) == (2, True)


@pytest.mark.parametrize("verb", ["resend", "cancel"])
@pytest.mark.parametrize("number", [str(1 << 63), "0", "9" * 40])
def test_a_number_that_no_delivery_can_have_never_reaches_the_engine(
    stored: Stored, verb: str, number: str
) -> None:
    result = stored.command("queue", verb, number)
    assert (result.exit_code, "DELIVERIES" in result.output) == (2, True)

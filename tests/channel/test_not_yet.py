"""What this version cannot do is a mistake that says so, never a key that is read and ignored."""

from __future__ import annotations

import pytest

from hl7bridge.channel import check


@pytest.mark.parametrize("line", [b"alerts_from: 2026-12-01"])
def test_a_promise_that_cannot_be_kept_is_a_mistake(line: bytes) -> None:
    files = {
        "c.yaml": b"channel: c\nsource: {mllp: {port: 2575}}\nsend_to: [{affiliates: clinic}]\n",
        "affiliates/a.yaml": b"affiliate: a\nagreement: {clinic: 2014-06-01}\nroster: rosters/a.csv\n"
        b"send: {mllp: {host: h, port: 6701}}\n" + line + b"\n",
        "rosters/a.csv": b"",
    }
    (mistake,) = check(files)
    assert mistake.place.startswith("affiliates/a.yaml:5:")
    assert "cannot do that yet" in mistake.what

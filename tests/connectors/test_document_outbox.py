"""Documents in a folder: claimed and confirmed by renaming, found again after any crash, and never there twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.task import Clock

from hl7bridge.connectors.document_outbox import LOOK_S, DocumentOutbox
from hl7bridge.connectors.outgoing import Outgoing, Unsendable

DAY = 86_400.0


class Bench:
    """An outbox with a gateway that a test plays."""

    def __init__(self, folder: Path, **how: Any) -> None:
        self.folder = folder
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.answers: list[tuple[Any, str | None, str | None]] = []
        self.said: list[bytes] = []
        self.composed = 0
        self.how: dict[str, Any] = {"confirm_within_s": 3 * DAY, **how}
        self.outbox = self.made()

    def _note(self, token: Any, code: str | None, why: str | None, answer: bytes | None) -> None:
        self.answers.append((token, code, why))
        self.said += [] if answer is None else [answer]

    def made(self) -> DocumentOutbox:
        """The outbox, as after a start."""
        return DocumentOutbox(
            "fax",
            self.folder,
            str,
            self.how.get("compose", self.compose),
            self.how.get("run", maybeDeferred),
            self.clock,
            self.clock.seconds,
            confirm_within_s=self.how["confirm_within_s"],
            answered=self._note,
            ready=lambda: None,
        )

    def compose(self, token: Any, payload: bytes) -> Outgoing:
        self.composed += 1
        return Outgoing(payload, {"id": str(token), "recipient": "Dr. Núñez", "attempt": self.composed})

    def send(self, token: int = 7, payload: bytes = b"%PDF-1") -> None:
        self.outbox.send(payload, b"C1", token)

    def restart(self) -> None:
        """The engine ends without a word and starts again."""
        self.outbox.stop()
        self.outbox = self.made()

    def gateway(self, before: str, after: str, reason: str | None = None, name: str = "7") -> None:
        (self.folder / f"{name}.{before}").rename(self.folder / f"{name}.{after}")
        if reason is not None:
            (self.folder / f"{name}.{after}" / "reason").write_text(reason)

    def look(self, seconds: float = LOOK_S) -> None:
        self.clock.advance(seconds)

    @property
    def there(self) -> list[str]:
        """What the folder holds, documents that are done too."""
        return sorted(
            path.relative_to(self.folder).as_posix()
            for path in [*self.folder.glob("*"), *self.folder.glob("done/*")]
            if path.name != "done"
        )


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Bench]:
    return lambda **how: Bench(tmp_path / "outbox", **how)


Benches = Callable[..., Bench]


def test_a_document_is_ready_whole_and_counts_as_sent_when_the_gateway_says_so(bench: Benches) -> None:
    here = bench()
    here.send()
    assert here.there == ["7.ready"]
    assert (here.folder / "7.ready" / "document.pdf").read_bytes() == b"%PDF-1"
    assert json.loads((here.folder / "7.ready" / "document.json").read_text())["recipient"] == "Dr. Núñez"
    here.look()
    here.gateway("ready", "claimed")
    here.look()
    assert here.answers == []
    here.gateway("claimed", "sent")
    here.look()
    assert here.answers == [(7, "AA", None)]
    assert here.there == ["done/7"]
    assert here.clock.getDelayedCalls() == []


def test_what_waits_holds_up_nothing(bench: Benches) -> None:
    here = bench()
    for token in range(20):
        assert here.outbox.free()
        here.send(token)
    assert here.outbox.waiting == 20
    assert here.outbox.busy_connections == 0
    here.gateway("ready", "sent", name="13")
    here.look()
    assert here.answers == [(13, "AA", None)]


def test_a_failure_is_told_with_its_reason_but_no_numbers_and_another_attempt_uses_the_same_folder(
    bench: Benches,
) -> None:
    here = bench()
    here.send()
    here.gateway("ready", "claimed")
    here.gateway("claimed", "failed", "line busy at 555 0142\nsecond line")
    here.look()
    assert here.answers == [(7, "AE", "the gateway failed")], "a log says no more"
    assert here.said == [b"line busy at ### ####"]
    assert here.there == ["7.refused"]
    here.send()
    assert here.there == ["7.ready"]
    assert not (here.folder / "7.ready" / "reason").exists()
    assert here.composed == 1
    here.gateway("ready", "sent")
    here.look()
    assert here.answers[1:] == [(7, "AA", None)]


def test_without_confirmation_it_is_sent_when_it_is_ready(bench: Benches) -> None:
    here = bench(confirm_within_s=None)
    here.send()
    assert here.answers == [(7, "AA", None)]
    assert here.clock.getDelayedCalls() == []
    here.restart()
    here.gateway("ready", "claimed")
    here.send()
    assert here.answers == [(7, "AA", None)] * 2
    assert here.there == ["7.claimed"]


@pytest.mark.parametrize("state", ["ready", "claimed", "sent", "failed"])
def test_after_a_crash_a_delivery_finds_its_own_folder_in_whatever_state(bench: Benches, state: str) -> None:
    here = bench()
    here.send()
    if state != "ready":
        here.gateway("ready", state)
    here.restart()
    here.send()
    here.look()
    assert here.composed == 1
    code = {"sent": "AA", "failed": "AE"}.get(state)
    assert [answer[1] for answer in here.answers] == ([code] if code else [])
    assert len(here.there) == 1


def test_what_was_put_away_before_a_crash_is_known_to_be_sent(bench: Benches) -> None:
    here = bench()
    here.send()
    here.gateway("ready", "sent")
    here.look()
    here.restart()
    here.send()
    assert here.answers == [(7, "AA", None)] * 2
    assert here.there == ["done/7"]


def test_half_a_document_left_by_a_crash_is_written_anew(bench: Benches) -> None:
    here = bench()
    aside = here.folder / ".7.part"
    aside.mkdir(parents=True)
    (aside / "document.pdf").write_bytes(b"%P")
    (aside / "other").write_bytes(b"x")
    here.send()
    assert here.there == ["7.ready"]
    assert sorted(path.name for path in (here.folder / "7.ready").iterdir()) == [
        "document.json",
        "document.pdf",
    ]


def test_what_nobody_claims_in_time_is_taken_back_and_known_not_to_have_left(bench: Benches) -> None:
    here = bench()
    here.send()
    here.look(3 * DAY - LOOK_S)
    assert here.answers == []
    here.look()
    here.look()
    assert here.answers == [(7, "AE", "no gateway has claimed it in time")]
    assert here.there == ["7.refused"]
    here.send()
    here.look(2 * DAY)
    assert len(here.answers) == 1, "made ready again, it has its whole time again"


def test_of_what_was_claimed_and_not_confirmed_in_time_nobody_knows(bench: Benches) -> None:
    here = bench()
    here.send()
    here.gateway("ready", "claimed")
    here.look(2 * DAY)
    here.restart()
    here.send()
    here.look(DAY)
    here.look()
    assert here.answers == [(7, None, "the gateway claimed it and has not confirmed it in time")]
    assert here.there == ["7.claimed"]


def test_of_a_folder_that_is_gone_nobody_knows(bench: Benches) -> None:
    here = bench()
    here.send()
    for path in (here.folder / "7.ready").iterdir():
        path.unlink()
    (here.folder / "7.ready").rmdir()
    here.look()
    assert here.answers == [(7, None, "its folder is gone, so that nobody knows whether it was sent")]


def test_what_can_never_be_a_document_is_refused_and_what_cannot_be_written_is_tried_again(
    bench: Benches,
) -> None:
    def refuse(token: Any, payload: bytes) -> Outgoing:
        raise Unsendable("there is no PDF in it", code="no-document")

    here = bench(compose=refuse)
    here.send()
    assert here.answers == [(7, "AR", "there is no PDF in it")]
    there = bench(run=lambda *_: fail(OSError(28, "No space left on device")))
    there.send()
    assert there.answers == [(7, "AE", "cannot write the document: No space left on device")]
    assert there.outbox.free()


def test_a_folder_that_cannot_be_read_for_a_moment_loses_nothing(bench: Benches) -> None:
    here = bench()
    here.send()
    here.folder.rename(here.folder.with_name("away"))
    here.look()
    here.folder.with_name("away").rename(here.folder)
    here.gateway("ready", "sent")
    here.look()
    assert here.answers == [(7, "AA", None)]


def test_a_retired_outbox_still_hears_of_what_it_let_out(bench: Benches) -> None:
    here = bench()
    here.send()
    here.outbox.retire()
    here.gateway("ready", "sent")
    here.look()
    assert here.answers == [(7, "AA", None)]


def test_one_at_a_time_is_written_unless_told(bench: Benches) -> None:
    here = bench(run=lambda *_: Deferred())
    here.send()
    assert not here.outbox.free()


STEPS = ["claim", "confirm", "fail", "look", "restart", "retry", "late"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), max_size=14))
def test_whatever_happens_there_is_one_folder_and_one_end_for_each_attempt(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    here = Bench(tmp_path_factory.mktemp("outbox"))
    here.send()
    open_ = True
    for step in steps:
        names = here.there
        if step == "claim" and names == ["7.ready"]:
            here.gateway("ready", "claimed")
        elif step in ("confirm", "fail") and names == ["7.claimed"]:
            here.gateway("claimed", {"confirm": "sent", "fail": "failed"}[step])
        elif step == "look":
            here.look()
        elif step == "late":
            here.look(4 * DAY)
        elif step == "restart" and open_:
            here.restart()
            here.send()
        elif step == "retry" and not open_ and here.answers[-1][1] != "AA":
            here.answers.clear()
            here.send()
            open_ = True
        open_ = open_ and not here.answers
        assert len(here.there) == 1
        assert here.composed == 1
        assert len(here.answers) <= 1
    if here.answers and here.answers[-1][1] == "AA":
        assert here.there == ["done/7"]

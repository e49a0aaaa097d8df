"""What a person settles of who is who: numbers that are one patient, numbers that are two, and a merge that is undone.

A verdict is kept with the operator's name and reason, and the patients it is about are due at once, so that the next look tells
anew or takes back what was told of them. Nothing is concluded here. Raises nothing: `done` is told the result when it is durable, or a
Refused with what to do instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hl7bridge.affiliation.who.known import known_of
from hl7bridge.engine.operating.operate import Done, Refused, in_turn
from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import Act, Batch, VerdictRow

if TYPE_CHECKING:
    from hl7bridge.engine.service import Engine


class Settling:
    """Acts on one engine. Patients are named by the keys of their numbers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def settle(self, one: int, other: int, same: bool, because: str, operator: str, done: Done) -> None:
        """Says that two numbers are one patient, or that they are not; or that one number is one patient's."""
        self._keep("settle", VerdictRow(one, other, same, 0, 0, operator, because), done)

    def unmerge(self, old: int, surviving: int, because: str, operator: str, done: Done) -> None:
        """Parts two numbers that a merge has joined."""
        self._keep("unmerge", VerdictRow(old, surviving, False, 0, 0, operator, because), done)

    def _keep(self, verb: str, verdict: VerdictRow, done: Done) -> None:
        engine = self._engine
        store = engine.store
        one, other, same = verdict.patient, verdict.other, verdict.same

        def work() -> None:
            if one == other and not same:
                raise Refused(
                    "a number cannot be kept apart from itself",
                    code="same-number",
                    hint="the system that gave one number to two people must give one of them another",
                )
            for key in (one, other):
                if not (store.aliases(key) or store.facts([key])):
                    raise Refused(
                        f"nothing is known under the {'first' if key == one else 'second'} number",
                        code="unknown-patient",
                        hint="`hl7bridge patient NUMBER^AUTHORITY` shows what is known",
                    )
            pairs = self._merged_with(one, other) if verb == "unmerge" else [(one, other)]
            now_us, newest = engine.wall_us(), engine.numbers.last_message
            rows = [
                VerdictRow(each, near, same, newest, now_us, verdict.operator, verdict.reason)
                for each, near in pairs
            ]
            what = "one patient" if same else "two patients"
            keys = " and ".join(f"{key & (1 << 64) - 1:016x}" for key in dict.fromkeys((one, other)))
            act = Act(now_us, verdict.operator, verb, f"{keys}: {what}: {verdict.reason}".removesuffix(": "))
            store.commit(Batch(verdicts=rows, acts=[act]))

        def kept(error: HL7BridgeError | None) -> None:
            done(error or self._now(one, other))

        in_turn(engine, work, kept)

    def _merged_with(self, one: int, other: int) -> list[tuple[int, int]]:
        """Every pair that the merge of these two has joined: it may have named several of the old numbers. Raises Refused."""
        store = self._engine.store
        joined = store.joined(one, other)
        if joined is None or not joined.merged:
            raise Refused(
                "no merge has joined these two numbers",
                code="not-merged",
                hint="numbers that messages bear together are parted with `hl7bridge patient settle ... --apart`",
            )
        return [
            (end, near)
            for end in (other, one)
            for near, merged in store.aliases(end)
            if merged and store.joined(end, near) == joined
        ]

    def _now(self, one: int, other: int) -> dict[str, Any]:
        """Who is who after a verdict: how many identifiers each has, and why one is still held."""
        store = self._engine.store
        patients = [
            known_of(key, store.aliases, store.facts, store.verdicts).patient
            for key in dict.fromkeys((one, other))
        ]
        patients = list({patient.keys: patient for patient in patients}.values())
        return {"patients": [{"identifiers": len(each.keys), "held": each.held} for each in patients]}

"""Test files: the table of a test's keys, and how a file is compiled into cases.

Raises nothing; mistakes are named.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from hl7bridge.affiliation.who.roster import RosterEntry, RosterErrors, read_roster
from hl7bridge.channel.deciding.configuration import ChannelSettings
from hl7bridge.channel.deciding.expected import Expectation, FieldExpectation, TestCase
from hl7bridge.channel.rules.assign import read_assignment
from hl7bridge.channel.rules.compare import read_moment
from hl7bridge.channel.rules.condition import WORDS, read_clauses, wording
from hl7bridge.channel.rules.program import Program, Step
from hl7bridge.channel.rules.reference import every_segment, every_value, read_reference
from hl7bridge.channel.rules.scope import Scope
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.written.kinds import NAME
from hl7bridge.channel.written.language import NameOf, Written
from hl7bridge.channel.written.mistake import Mistakes, meant
from hl7bridge.channel.written.model import Choice, Reading, Schema, Text, Wrong, scalar
from hl7bridge.channel.written.record import Field, ListOf, MapOf, Record, Values
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, noun, shown

TEST = Record(
    "a test",
    {
        "name": Field(Text(), "what the test shows", required=True),
        "message": Field(Text(), "a file, counted from this one, or the message itself", required=True),
        "with": Field(Written({"$ref": "#/$defs/changes"}), "fields that are set first"),
        "channel": Field(NameOf("channel", NAME), "the channel; left out, the one beside this file"),
        "received": Field(Text(), "when it arrives, such as 2026-11-21 20:47; left out, MSH-7"),
        "roster": Field(
            MapOf(ListOf(Text(), lone=True), NAME),
            "rows 'id,authority,from,through,npi,opt_out' by affiliate, in place of the files",
        ),
        "expect": Field(
            Written({"$ref": "#/$defs/by destination"}),
            "by destination",
        ),
        "answer": Field(Choice(("AA", "AE", "AR")), "the answer to the sender"),
        "status": Field(Choice(("RECEIVED", "FILTERED", "ERROR", "REJECTED")), "what becomes of the message"),
    },
)
TESTS = ListOf(TEST)


def expected_schema() -> Schema:
    """What stands under a destination in `expect`."""
    fields = {"$ref": "#/$defs/conditions"}
    return {"anyOf": [{"enum": ["sent", "not sent"]}, fields, {"type": "array", "items": fields}]}


class TestReader:
    """Compiles the tests of one file."""

    __test__ = False

    def __init__(
        self, path: str, channels: Mapping[str, ChannelSettings], destinations: set[str], setting: Setting
    ) -> None:
        self.path = path
        self.channels = channels
        self.destinations = destinations
        self.setting = setting
        self.reading: Reading = setting.reading

    def read(self, node: Node) -> list[TestCase]:
        """The cases of a file."""
        found = TESTS.read(node, self.reading)
        if isinstance(found, Wrong):
            return []
        cases = [self._case(values) for values in found if isinstance(values, Values)]
        return [case for case in cases if case is not None]

    def _case(self, values: Values) -> TestCase | None:
        channel = self._channel(values)
        expect = self._expect(values)
        changes = self._changes(values)
        received = self._received(values)
        roster = self._roster(values)
        if (
            channel is None
            or not values.complete
            or ("expect" not in values and not (values["answer"] or values["status"]))
        ):
            if values.complete and channel is not None:
                self.reading.mistakes.add(
                    values.place, "this test expects nothing", "expect: {destination: sent}"
                )
            return None
        text: str = values["message"]
        inline = text.startswith("MSH") and ("\n" in text or "|" in text)
        return TestCase(
            values["name"],
            self.path,
            str(values.place),
            channel.name,
            channel.source,
            text if not inline else "in the test",
            text.replace("\r\n", "\r").replace("\n", "\r").encode() if inline else None,
            changes,
            received,
            values["answer"],
            values["status"],
            roster,
            expect,
        )

    def _channel(self, values: Values) -> ChannelSettings | None:
        name = values["channel"]
        if name is not None:
            if name not in self.channels:
                hint = meant(name, self.channels)
                self.reading.wrong(values.nodes["channel"], f"there is no channel {shown(name)}", hint)
            return self.channels.get(name)
        stem = self.path.removesuffix(".yml").removesuffix(".yaml").removesuffix(".test")
        beside = [each for each in self.channels.values() if posixpath.splitext(each.file)[0] == stem]
        if len(beside) == 1:
            return beside[0]
        if posixpath.basename(stem) in self.channels:
            return self.channels[posixpath.basename(stem)]
        what = f"there is no channel file {posixpath.basename(stem)}.yaml beside this one"
        self.reading.mistakes.add(values.place, what, "say channel: and its name")
        return None

    def _changes(self, values: Values) -> Program:
        node = values["with"]
        steps: list[Step] = []
        if isinstance(node, Pairs):
            for key, value in node.pairs:
                made = read_assignment(key, value, self.setting)
                if not isinstance(made, Wrong):
                    steps.append(Step(made, key.place, key.text))
        elif node is not None:
            self.reading.wrong(node, f"{noun(node)} stands where fields belong", "{MSH-11: T}")
        return Program(steps)

    def _received(self, values: Values) -> datetime | None:
        if values["received"] is None:
            return None
        bound = read_moment(values["received"])
        if bound is None or bound.begin is None:
            node = values.nodes["received"]
            self.reading.wrong(node, f"{noun(node)} is not a date and time", "write it 2026-11-21 20:47")
            return None
        return bound.begin

    def _roster(self, values: Values) -> tuple[tuple[str, RosterEntry], ...] | None:
        given: Mapping[str, list[str]] | None = values["roster"]
        if given is None:
            return None
        node = values.nodes["roster"]
        rows: list[tuple[str, RosterEntry]] = []
        for name, lines in given.items():
            if name not in self.destinations:
                self.reading.wrong(
                    node, f"there is no affiliate {shown(name)}", meant(name, self.destinations)
                )
            most = max((line.count(",") for line in lines), default=0)
            columns = ["id", "authority", "from", "through", "npi", "opt_out"][: max(most + 1, 2)]
            text = "\n".join([",".join(columns), *(line + "," * (most - line.count(",")) for line in lines)])
            try:
                rows += [(name, entry) for entry in read_roster(text.encode(), "roster")]
            except RosterErrors as fault:
                self.reading.wrong(
                    node, f"in the rows of {name}: {fault.mistakes[0].what}", fault.mistakes[0].hint
                )
        return tuple(rows)

    def _expect(self, values: Values) -> dict[str, list[Expectation] | bool]:
        node = values["expect"]
        if node is None:
            return {}
        if not isinstance(node, Pairs):
            self.reading.wrong(node, f"{noun(node)} stands where destinations belong", "{hospital: sent}")
            return {}
        found: dict[str, list[Expectation] | bool] = {}
        for key, value in node.pairs:
            if key.text not in self.destinations:
                hint = meant(key.text, self.destinations)
                self.reading.wrong(key, f"there is no destination {shown(key.text)}", hint)
                continue
            made = self._expected(value)
            if made is not None:
                found[key.text] = made
        return found

    def _expected(self, value: Node) -> list[Expectation] | bool | None:
        if isinstance(value, Scalar):
            text = scalar(value, self.reading, "sent or not sent")
            if text in ("sent", "not sent"):
                return text == "sent"
            self.reading.wrong(
                value, f"{noun(value)} is neither sent nor not sent", "or fields: {MSH-5: EPIC}"
            )
            return None
        expectations = [self._fields(each) for each in (value.items if isinstance(value, Items) else [value])]
        return (
            None
            if any(each is None for each in expectations)
            else [each for each in expectations if each is not None]
        )

    def _fields(self, node: Node) -> Expectation | None:
        clauses = read_clauses(node, self.setting)
        if isinstance(clauses, Wrong) or not isinstance(node, Pairs):
            return None
        made: list[FieldExpectation] = []
        for (key, value), clause in zip(node.pairs, clauses, strict=True):
            expected = wording(value).removeprefix("= ")
            made.append(
                FieldExpectation(
                    key.text, expected, clause.test, _shown(key, self.setting), _word_nearly(value)
                )
            )
        return tuple(made)


def _word_nearly(value: Node) -> str | None:
    """The word that a text nearly is. It may be the text that a field holds, so that only a test which fails is doubted."""
    if not isinstance(value, Scalar) or value.text in WORDS:
        return None
    near = get_close_matches(value.text.lower(), WORDS, 1, 0.8)
    return f"{shown(value.text)} is taken as a text; did you mean {near[0]}?" if near else None


def _shown(key: Scalar, setting: Setting) -> Callable[[Scope], str]:
    """How what a path means is shown in a difference."""
    quiet = replace(setting, reading=Reading(Mistakes(), lambda name: ""))
    reference: Any = read_reference(key, quiet)
    if isinstance(reference, Wrong):
        return lambda scope: "something else"
    if reference.whole_segment:
        find = every_segment(reference)
        return lambda scope: "present" if find(scope) else "absent"
    values = every_value(reference)

    def found(scope: Scope) -> str:
        texts = [scope.message.charset.decode(value) for value, _ in values(scope)]
        return " and ".join(text if text else "nothing" for text in texts) if any(texts) else "nothing"

    return found

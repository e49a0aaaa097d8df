"""Tests beside the channels: `pharmacy.test.yaml` says what becomes of a message, `run_tests` says whether it
does.

A test file is compiled when the folder loads, so that `check` names its mistakes too. Bytes of messages and
rosters come through a callable. Raises nothing: what cannot be read makes its test fail with the reason.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from hl7bridge.affiliation.who.roster import MemoryRoster, RosterErrors, read_roster
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.deciding.decide import Decision, Outgoing, decide
from hl7bridge.channel.deciding.expected import Expectation, TestCase
from hl7bridge.channel.rules.constant import MappingError
from hl7bridge.channel.rules.scope import Scope, Work
from hl7bridge.channel.rules.times import local_time
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.batch import read_file
from hl7bridge.hl7.identifiers import merge_identifiers, patient_identifiers
from hl7bridge.hl7.message import Message
from hl7bridge.words import counted

Read = Callable[[str], bytes]
_OTHERWISE = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Difference:
    """One expectation that was not met: which destination and field, what was expected, what came. `doubt`: what may have been
    meant instead.
    """

    destination: str
    path: str
    expected: str
    found: str
    doubt: str | None = None

    def __str__(self) -> str:
        where = " ".join(part for part in (self.destination, self.path) if part)
        doubt = "" if self.doubt is None else f" ({self.doubt})"
        return f"{where}: expected {self.expected}, found {self.found}{doubt}"


@dataclass(frozen=True, slots=True)
class TestResult:
    """How a test ended; `place` is where it stands. `fault` is why it could not be run, and `missing` the file that it wanted,
    counted from the folder, where there is none.
    """

    __test__ = False  # a test runner of Python must not take this for a test class

    name: str
    file: str
    place: str
    channel: str
    differences: tuple[Difference, ...] = ()
    fault: str | None = None
    missing: str | None = None

    @property
    def passed(self) -> bool:
        return not self.differences and self.fault is None


@dataclass(frozen=True, slots=True)
class _NoFile:
    """Where the message of a test should lie."""

    path: str


def run_tests(configuration: Configuration, read: Read, *, channel: str | None = None) -> list[TestResult]:
    """Runs the tests of a folder, or of one channel.

    `read` gives the bytes of a path counted from the folder (`../samples/x.hl7`, `rosters/medstar.csv`), or
    raises OSError or LookupError. Rosters are read once, and only the rows of patients in the tests are kept.
    """
    cases = [case for case in configuration.tests if channel in (None, case.channel)]
    messages = {id(case): _message(case, configuration, read) for case in cases}
    rosters = FolderRosters(
        configuration, read, [each for each in messages.values() if isinstance(each, Message)]
    )
    return [_run(case, messages[id(case)], configuration, rosters) for case in cases]


def _run(
    case: TestCase, message: Message | _NoFile | str, configuration: Configuration, rosters: FolderRosters
) -> TestResult:
    missing = message.path if isinstance(message, _NoFile) else None

    def result(differences: Iterable[Difference] = (), fault: str | None = None) -> TestResult:
        return TestResult(case.name, case.file, case.place, case.channel, tuple(differences), fault, missing)

    if isinstance(message, _NoFile):
        return result(fault=f"there is no file {missing}")
    if isinstance(message, str):
        return result(fault=message)
    roster = rosters.of(case)
    if isinstance(roster, str):
        return result(fault=roster)
    received = case.received or _sent_at(message) or _OTHERWISE
    if received.tzinfo is None:
        received = received.replace(tzinfo=configuration.plans[case.source].zone or UTC)
    decision = decide(
        configuration, case.source, message, received=received.astimezone(UTC), sequence=1, roster=roster
    )
    return result(_differences(case, decision))


def _message(case: TestCase, configuration: Configuration, read: Read) -> Message | _NoFile | str:
    """The message of a test with its `with` put in, or why there is none."""
    raw = case.inline
    if raw is None:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(case.file), case.message))
        try:
            found = read_file(read(path)).messages
        except FileNotFoundError:
            return _NoFile(path)
        except (OSError, LookupError) as fault:
            return f"the message {case.message} cannot be read: {type(fault).__name__}"
        if not found:
            return f"there is no message in {case.message}"
        raw = found[0]
    try:
        message = Message(raw, configuration.encoding(case.source))
        if not case.changes:
            return message
        case.changes(Scope(message, Work(_OTHERWISE)))
        return Message(message.emit(), message.fallback)
    except MappingError as fault:
        return f"what stands under with cannot be put in: {fault.what}"
    except HL7BridgeError as fault:
        return f"the message {case.message} cannot be read: {fault.what}"


def _sent_at(message: Message) -> datetime | None:
    found = local_time(message.header.field(7), None)
    return None if found is None else found.replace(tzinfo=UTC)


class FolderRosters:
    """The rosters of a folder's files as far as the patients of some messages are on them."""

    def __init__(self, configuration: Configuration, read: Read, messages: Iterable[Message]) -> None:
        self._read = read
        self._files = {
            name: settings.affiliate.roster
            for name, settings in configuration.affiliates.items()
            if settings.affiliate is not None and settings.affiliate.roster is not None
        }
        self._wanted = {
            (each.id, each.authority)
            for message in messages
            for each in (*patient_identifiers(message), *merge_identifiers(message))
        }
        self._usual: MemoryRoster | str | None = None

    def of(self, case: TestCase) -> MemoryRoster | str:
        """The roster of a test, or why it cannot be read."""
        return self.usual() if case.roster is None else MemoryRoster(case.roster)

    def usual(self) -> MemoryRoster | str:
        """The rosters of the files, or why they cannot be read."""
        if self._usual is None:
            self._usual = self._load()
        return self._usual

    def _load(self) -> MemoryRoster | str:
        roster = MemoryRoster()
        for name, path in self._files.items():
            try:
                for entry in read_roster(self._read(path), path):
                    if (entry.id, entry.authority) in self._wanted:
                        roster.add(name, entry)
            except (OSError, LookupError) as fault:
                return f"the roster {path} cannot be read: {type(fault).__name__}"
            except RosterErrors as fault:
                return str(fault)
        return roster


def _differences(case: TestCase, decision: Decision) -> list[Difference]:
    found: list[Difference] = []
    for what, expected, got in (
        ("answer", case.answer, decision.answer),
        ("status", case.status, decision.status),
    ):
        if expected is not None and expected != got:
            found.append(Difference("", what, expected, got))
    for name, expectations in case.expect.items():
        sent = [
            each for each in decision.outgoing if each.destination == name and each.channel == case.channel
        ]
        found += _of_destination(name, expectations, sent, decision, case)
    return found


def _of_destination(
    name: str,
    expectations: list[Expectation] | bool,
    outgoing: list[Outgoing],
    decision: Decision,
    case: TestCase,
) -> list[Difference]:
    failed = next((each.error for each in outgoing if each.error is not None), None)
    sent = [each for each in outgoing if each.error is None and each.refused is None]
    if expectations is False:
        return [Difference(name, "", "not sent", "sent")] if sent else []
    if failed is not None:
        return [Difference(name, "", "sent", f"an error: {failed}")]
    if not sent:
        return [Difference(name, "", "sent", _why_not(outgoing, decision, case))]
    if expectations is True:
        return []
    if len(expectations) != len(sent):
        return [Difference(name, "", counted(len(expectations), "message"), counted(len(sent), "message"))]
    found: list[Difference] = []
    for expectation, each in zip(expectations, sent, strict=True):
        scope = Scope(Message(each.payload), Work(_OTHERWISE))
        found += [
            Difference(name, field.path, field.expected, field.found(scope), field.doubt)
            for field in expectation
            if not field.test(scope)
        ]
    return found


def _why_not(outgoing: list[Outgoing], decision: Decision, case: TestCase) -> str:
    for each in outgoing:
        if each.refused is not None:
            return f"not sent ({each.refused})"
    for outcome in decision.outcomes:
        if outcome.channel == case.channel and outcome.reason is not None:
            return f"not sent ({outcome.status}, {outcome.reason})"
    if decision.status == "REJECTED":
        return "not sent (no channel accepts the message)"
    return "not sent"

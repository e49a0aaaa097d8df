"""The table of a channel's keys, and how a channel file becomes a plan.

Compiles filter, split, map and routes. Raises nothing; mistakes are named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hl7bridge.affiliation.who.agreement import CLINIC, PHARMACY
from hl7bridge.channel.deciding.configuration import ChannelSettings
from hl7bridge.channel.deciding.plan import Accept, ChannelPlan, DestinationPlan, Route
from hl7bridge.channel.feed.programme import PROGRAMMES, ProgrammePlan, read_programmes
from hl7bridge.channel.keys.destination import DESTINATION_FIELDS, destination_of, with_defaults
from hl7bridge.channel.keys.privacy import Withholding
from hl7bridge.channel.keys.source import EDGES, ERRORS, SOURCE_FIELDS
from hl7bridge.channel.privacy.withhold import Privacy
from hl7bridge.channel.rules.condition import Clause, read_clauses, read_conditions
from hl7bridge.channel.rules.hook import Hooks
from hl7bridge.channel.rules.program import Program, Step
from hl7bridge.channel.rules.reads import Read
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.rules.split import Split
from hl7bridge.channel.rules.steps import read_steps
from hl7bridge.channel.rules.table import Table
from hl7bridge.channel.rules.verbs import segment_name
from hl7bridge.channel.settings import DestinationSettings
from hl7bridge.channel.written.kinds import NAME
from hl7bridge.channel.written.language import CONDITIONS, SEGMENT, SEGMENTS, STEPS, NameOf, Written
from hl7bridge.channel.written.mistake import Place, meant
from hl7bridge.channel.written.model import (
    WRONG,
    Reading,
    Schema,
    Text,
    Truth,
    Wrong,
    scalar,
)
from hl7bridge.channel.written.record import (
    Field,
    ListOf,
    OneOf,
    Record,
    Values,
)
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, noun, shown


@dataclass(frozen=True)
class MessageType:
    """`RDE^O11`, `ADT^*`, or `*`."""

    def read(self, node: Node, reading: Reading) -> str | Wrong:
        text = scalar(node, reading, "a message type such as RDE^O11")
        if isinstance(text, Wrong):
            return WRONG
        if text != "*" and not re.fullmatch(r"(?:[A-Z][A-Z0-9]{2}|\*)\^(?:[A-Z0-9]{3}|\*)", text):
            upper = text.upper()
            hint = f"'{text}^*' takes all its events" if re.fullmatch(r"[A-Z][A-Z0-9]{2}", text) else None
            if hint is None and re.fullmatch(r"[A-Z0-9]{3}[\^_][A-Z0-9]{3}.*", upper):
                hint = f"did you mean {upper[:3]}^{upper[4:7]}?"
            return reading.wrong(
                node, f"{noun(node)} is not a message type", hint or "write it like RDE^O11 or 'ADT^*'"
            )
        return text

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^([A-Z][A-Z0-9]{2}|\*)\^([A-Z0-9]{3}|\*)$|^\*$"}


DESTINATION = NameOf("destination", NAME)
SPLIT = Record(
    "split",
    {
        "each": Field(
            Written(SEGMENT),
            "the segment that each message gets one of, with its run",
            required=True,
        ),
        "with": Field(Written(SEGMENTS), "the segments around it that go along"),
    },
)
#: A destination in place: its own keys under a name.
_IN_PLACE = {
    "destination": Field(NAME, "its name"),
    **DESTINATION_FIELDS,
    "map": Field(STEPS, "steps for it alone"),
}
ROUTE = Record(
    "send_to",
    {
        "when": Field(CONDITIONS, "only where this holds"),
        "to": Field(ListOf(DESTINATION, lone=True, least=1), "destinations by name"),
        "affiliates": Field(
            NameOf("scope", NAME), "a scope: every affiliate whose roster and agreement cover the message"
        ),
        **{key: Field(entry.kind, entry.about, entry.default) for key, entry in _IN_PLACE.items()},
    },
    exactly_one=("to", "affiliates", "destination"),
)
SOURCE = Record("source", SOURCE_FIELDS, exactly_one=EDGES)
CHANNEL = Record(
    "a channel",
    {
        "channel": Field(NAME, "the channel's name", required=True),
        "description": Field(Text(), "what it is for", ""),
        "source": Field(
            OneOf(text=NameOf("source", NAME), pairs=SOURCE), "where its messages come from", required=True
        ),
        "accept": Field(
            ListOf(MessageType(), lone=True, least=1), "the message types it takes; all if left out"
        ),
        "lenient": Field(Truth(), "old and mistyped event names count as the right ones", True),
        "filter": Field(CONDITIONS, "what must hold; else the message is answered AA and kept as FILTERED"),
        "split": Field(SPLIT, "one message of each order"),
        "map": Field(STEPS, "steps for every destination"),
        "send_to": Field(
            ListOf(OneOf(text=DESTINATION, pairs=ROUTE), lone=True, least=1),
            "where its messages go",
            required=True,
        ),
        "errors": Field(ERRORS, "what the sender hears of errors", None),
        "programme": Field(
            PROGRAMMES, "its messages feed the affiliation programme, and where the feed says what", None
        ),
    },
)


@dataclass
class Folder:
    """What the files of a folder have in common while channels are compiled."""

    reading: Reading
    tables: Mapping[str, Table | None]
    hooks: Hooks
    destinations: dict[str, DestinationSettings] = field(default_factory=dict)
    #: Every destination that has a name, also one whose own file has mistakes.
    names: set[str] = field(default_factory=set)
    overlays: dict[str, Node] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    defaults: Values | None = None
    withholding: Withholding | None = None
    privacies: dict[str, Privacy] = field(default_factory=dict)

    def keep_private(self, name: str, values: Values, *, affiliate: bool = False) -> None:
        """Notes what a destination does not get."""
        if self.withholding is None:
            return
        privacy = self.withholding.privacy(values, affiliate=affiliate)
        if privacy is not None:
            self.privacies[name] = privacy

    def setting(self, destination: str | None, reads: list[Read] | None = None) -> Setting:
        """What surrounds steps that are compiled for one destination, or for all if None; what they read is added to `reads`."""
        settings = self.destinations.get(destination) if destination is not None else None
        affiliate = settings.affiliate if settings is not None else None
        return Setting(
            self.reading,
            self.tables,
            self.hooks.find,
            None if affiliate is None else affiliate.settings,
            destination,
            reads=[] if reads is None else reads,
        )

    def scopes(self) -> set[str]:
        """Every scope that some agreement covers."""
        return {
            scope
            for settings in self.destinations.values()
            if settings.affiliate is not None
            for scope in settings.affiliate.agreement
        }


class ChannelReader:
    """Compiles one channel."""

    def __init__(self, folder: Folder, values: Values, path: str) -> None:
        self.folder = folder
        self.values = values
        self.path = path
        self.name: str = values["channel"] or path
        self.late: list[Node] = []
        self.late_after_new = False
        self.reads: list[Read] = []
        self._overlaid: dict[str, DestinationPlan | None] = {}

    def plan(self) -> ChannelPlan:
        """The compiled channel; where mistakes were named, what is left of it."""
        place = str(self.values.place_of("channel"))
        fixed = self._setting(f"the channel {self.name}")
        clauses: list[Clause] | Wrong = []
        if (node := self.values.nodes.get("filter")) is not None:
            clauses = read_clauses(node, fixed)
        steps = self._map()
        plan = ChannelPlan(
            self.name,
            place,
            Accept(self.values["accept"], self.values["lenient"]),
            () if isinstance(clauses, Wrong) else tuple(clauses),
            self._split(fixed),
            Program(steps),
            tuple(self._routes()),
            errors["answer"] if (errors := self.values["errors"]) is not None else None,
            self._programmes(self.values["programme"], fixed),
        )
        return replace(plan, reads=tuple(dict.fromkeys(self.reads)))

    def _setting(self, destination: str | None) -> Setting:
        return self.folder.setting(destination, self.reads)

    def _programmes(self, found: Values | list[Values] | None, setting: Setting) -> tuple[ProgrammePlan, ...]:
        plans = read_programmes(found, setting)
        several = found if isinstance(found, list) else [found]
        return tuple([self._of_roster(plan, values) for plan, values in zip(plans, several, strict=False)])

    def _of_roster(self, plan: ProgrammePlan, values: Values | None) -> ProgrammePlan:
        """The same, with what its roster's affiliate says of itself."""
        if plan.roster is None or values is None:
            return plan
        name = plan.roster.affiliate
        known = {
            each.name: each.affiliate
            for each in self.folder.destinations.values()
            if each.affiliate is not None
        }
        if name not in known:
            hint = meant(name, known, f"write affiliates/{name}.yaml")
            self.folder.reading.wrong(values.nodes["roster"], f"there is no affiliate {shown(name)}", hint)
            return replace(plan, roster=None)
        authority = known[name].authority
        own = None if authority is None else authority.encode()
        return replace(plan, roster=replace(plan.roster, authority=own))

    def settings(self, source: str, plan: ChannelPlan) -> ChannelSettings:
        """What is shown of it."""
        names: dict[str, None] = {}
        for route in plan.routes:
            names.update(dict.fromkeys([each.name for each in route.destinations] + list(route.affiliates)))
        accept = self.values["accept"]
        return ChannelSettings(
            self.name,
            self.values["description"],
            source,
            self.path,
            None if accept is None else tuple(accept),
            tuple(names),
        )

    def _map(self) -> list[Step]:
        """The steps that are the same for every destination; from the first that names an affiliate's setting
        on, late ones.
        """
        node = self.values.nodes.get("map")
        if node is None:
            return []
        items: list[Node] = node.items if isinstance(node, Items) else [node]
        setting = self._setting(None)
        steps: list[Step] = []
        for at, item in enumerate(items):
            found = read_steps(item, setting)
            if setting.late:
                self.late = items[at:]
                self.late_after_new = setting.has_original
                break
            if not isinstance(found, Wrong):
                steps += found
            if isinstance(item, Pairs) and item.get("new") is not None:
                setting = setting.within(original=True)
        return steps

    def _split(self, setting: Setting) -> Split | None:
        values = self.values["split"]
        if values is None or not values.complete:
            return None
        each = segment_name(values["each"], setting)
        accompanied: set[bytes] = set()
        node = values["with"]
        for name in node.items if isinstance(node, Items) else [] if node is None else [node]:
            found = segment_name(name, setting)
            if not isinstance(found, Wrong):
                accompanied.add(found)
        return None if isinstance(each, Wrong) else Split(each, frozenset(accompanied))

    def _routes(self) -> list[Route]:
        node = self.values.nodes.get("send_to")
        if node is None:
            return []
        found: list[Route] = []
        items = node.items if isinstance(node, Items) else [node]
        for item, value in zip(items, self.values["send_to"] or [], strict=False):
            if isinstance(item, Scalar):
                found.append(Route(destinations=self._named([item]), place=str(item.place)))
            elif isinstance(value, Values):
                found.append(self._route(value, item.place))
        return found

    def _route(self, value: Values, place: Place) -> Route:
        route = Route(place=str(place))
        if (when := value.nodes.get("when")) is not None:
            conditions = read_conditions(when, self._setting(f"the channel {self.name}"))
            route.when = None if isinstance(conditions, Wrong) else conditions
        if (to := value.nodes.get("to")) is not None:
            route.destinations = self._named(to.items if isinstance(to, Items) else [to])
        elif "affiliates" in value and value["affiliates"] is not None:
            route.scope = value["affiliates"]
            route.affiliates = self._affiliates(route.scope, value)
            affiliates = [
                name for name, each in self.folder.destinations.items() if each.affiliate is not None
            ]
            route.uncovered = tuple(sorted(set(affiliates) - set(route.affiliates)))
        elif "destination" in value and value["destination"] is not None:
            plan = self._destination(value["destination"])
            route.destinations = [] if plan is None else [plan]
        return route

    def _named(self, nodes: list[Node]) -> list[DestinationPlan]:
        found: list[DestinationPlan] = []
        for node in nodes:
            if not isinstance(node, Scalar):
                continue
            if node.text not in self.folder.names:
                hint = meant(node.text, self.folder.names, f"write destinations/{node.text}.yaml")
                self.folder.reading.wrong(node, f"there is no destination {shown(node.text)}", hint)
                continue
            plan = self._destination(node.text)
            if plan is not None:
                found.append(plan)
        return found

    def _affiliates(self, scope: str, value: Values) -> dict[str, DestinationPlan]:
        found: dict[str, DestinationPlan] = {}
        scopes = self.folder.scopes()
        if scope not in scopes:
            # A scope that everybody uses is no slip; the one in an agreement that is nearly it may be (`agreed`).
            near = () if scope in (PHARMACY, CLINIC) else scopes
            hint = meant(scope, near, f"write agreement: {{{scope}: 2026-01-01}} in an affiliate's file")
            self.folder.reading.wrong(
                value.nodes["affiliates"], f"no affiliate's agreement covers {shown(scope)}", hint
            )
        for name, settings in self.folder.destinations.items():
            if settings.affiliate is not None and scope in settings.affiliate.agreement:
                plan = self._destination(name)
                if plan is not None:
                    found[name] = plan
        return found

    def _destination(self, name: str) -> DestinationPlan | None:
        if name not in self._overlaid:
            self._overlaid[name] = self._overlay(name)
        return self._overlaid[name]

    def _overlay(self, name: str) -> DestinationPlan | None:
        settings = self.folder.destinations.get(name)
        if settings is None:
            return None
        steps: list[Step] = []
        if self.late:
            setting = self._setting(name)
            late = read_steps(
                Items(self.late[0].place, self.late),
                setting.within(original=True) if self.late_after_new else setting,
            )
            steps += [] if isinstance(late, Wrong) else late
        if (node := self.folder.overlays.get(name)) is not None:
            own = read_steps(node, self._setting(name))
            steps += [] if isinstance(own, Wrong) else own
        place = self.folder.files.get(name, self.path)
        return DestinationPlan(settings, self.name, Program(steps), place, self.folder.privacies.get(name))


def declare_in_place(folder: Folder, values: Values, path: str) -> None:
    """Makes the destinations that a channel defines under `send_to` known by their names."""
    for value in values["send_to"] or []:
        if not isinstance(value, Values) or value["destination"] is None:
            continue
        name = value["destination"]
        node = value.nodes["destination"]
        if name in folder.names:
            where = folder.files.get(name, "another file")
            folder.reading.wrong(
                node, f"there is a destination {shown(name)} already", f"it stands in {where}"
            )
            continue
        folder.names.add(name)
        folder.files[name] = path
        if "send" not in value:
            folder.reading.wrong(
                node, f"the destination {shown(name)} needs send", "send: {mllp: {host: ..., port: ...}}"
            )
            continue
        made = destination_of(name, with_defaults(value, folder.defaults))
        folder.keep_private(name, value)
        if made is not None:
            folder.destinations[name] = made
        if (overlay := value.nodes.get("map")) is not None:
            folder.overlays[name] = overlay

"""An export as a folder of ours: one file for each channel, and what was not carried over.

A destination about which something was not carried over begins as `status: shadow`, so that nothing leaves by half a map. Raises
`ExportError` for what is no export.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Final

from hl7bridge.mirth.chains import chains_of
from hl7bridge.mirth.connectors import NOWHERE, Ports, hears, send_of, source_of, spoken, unusual
from hl7bridge.mirth.elements import Channel, Connector, Part, channels_of
from hl7bridge.mirth.export import read_export
from hl7bridge.mirth.lines import Block, Comment, Listing, yaml_of
from hl7bridge.mirth.notes import Missing, Notes, Remark, slug, unused
from hl7bridge.mirth.rules import Condition, Filter, filter_of, joined
from hl7bridge.mirth.script import NotRead
from hl7bridge.mirth.steps import Steps, Taken, quoted, steps_of
from hl7bridge.mirth.tame import does_nothing, set_elsewhere
from hl7bridge.mirth.template import new_message
from hl7bridge.mirth.values import Known

_SCRIPTS: Final = ("preprocessingScript", "postprocessingScript", "deployScript", "undeployScript")
_HEAD: Final = """Made from the Mirth channel {name!r} ({version}) by hl7bridge import mirth.
A destination with status: shadow decides and keeps everything, and sends nothing. Take the line away when what it lacks is there."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an export became: contents by file name, and what is to be said of it."""

    files: Mapping[str, str]
    channels: Mapping[str, str]
    missing: Sequence[Missing]
    remarks: Sequence[Remark]


@dataclass(slots=True)
class _Names:
    """What several channels of one import share."""

    zone: str | None
    ports: Ports = field(default_factory=Ports)
    #: Ours for the engine's own file and source stand there already.
    channels: set[str] = field(default_factory=lambda: {"hl7bridge", "programme"})
    destinations: set[str] = field(default_factory=set)


def folder_name(data: bytes) -> str:
    """What a folder for this export is called: its channel, or the first of several. Raises `ExportError`."""
    return slug(channels_of(read_export(data))[0].name)


def import_export(data: bytes, *, zone: str | None = None, taken: Sequence[str] = ()) -> Imported:
    """The files that an export becomes. `zone`: the IANA zone in which Mirth writes the time; `taken`: destinations there already.

    Raises `ExportError`.
    """
    root = read_export(data)
    names = _Names(zone, destinations=set(taken))
    files: dict[str, str] = {}
    channels: dict[str, str] = {}
    missing: list[Missing] = []
    remarks: list[Remark] = []
    found = channels_of(root)
    chains = chains_of(found)
    called = [unused(slug(channel.name), names.channels) for channel in found]
    # What runs comes first to ports and names: an old copy that is switched off often has those of its successor.
    for at, channel in sorted(enumerate(found), key=lambda each: not each[1].runs):
        notes = Notes(called[at])
        first = chains.source_of.get(at)
        shared = called[first] if first is not None else None
        listens = (channel if first is None else found[first]).source
        maker = _Maker(channel, called[at], notes, names, listens, shared, chains.handed_on.get(at, set()))
        files.update(maker.files())
        channels[called[at]] = channel.name
        missing += notes.missing
        remarks += notes.remarks
    for each in ("codeTemplate", "alertModel"):
        count = sum(1 for _ in root.every(each))
        if count:
            what = {"codeTemplate": "code template", "alertModel": "alert"}[each]
            missing.append(
                Missing("", "server", f"{count} of its {what}s", "JavaScript and alerts of Mirth stay there")
            )
    if _global_scripts(root):
        missing.append(Missing("", "server", "its global scripts", "they are JavaScript"))
    return Imported(files, channels, missing, remarks)


def _global_scripts(root: Any) -> list[str]:
    scripts = root.child("globalScripts") if root.name == "serverConfiguration" else None
    texts = (
        [entry.children[-1].content for entry in scripts.children if entry.children]
        if scripts is not None
        else []
    )
    return [text for text in texts if not does_nothing(text)]


class _Maker:
    """Makes the file of one channel."""

    def __init__(
        self,
        channel: Channel,
        name: str,
        notes: Notes,
        names: _Names,
        listens: Connector,
        shared: str | None = None,
        handed_on: Set[int] = frozenset(),
    ) -> None:
        self.channel = channel
        self.name = name
        self.notes = notes
        self.names = names
        #: The source of another channel that this one listens to, and the destinations that hand on to such channels.
        self.shared = shared
        self.handed_on = handed_on
        #: The character set in which its messages come, where a listener brings them.
        self.heard = spoken(listens.properties) if hears(listens) else None
        self.known = Known(zone=names.zone is not None)
        #: The whole channel lacks something, so that every destination does.
        self.lacking = False
        self.taken: list[Taken] = []

    def files(self) -> dict[str, str]:
        """Its YAML by file name: the channel, and its source where other channels listen to that too."""
        made: dict[str, str] = {}
        source: Block | None = None
        alone = not self.handed_on or any(each.id not in self.handed_on for each in self.channel.destinations)
        if self.handed_on:
            block = Block()
            block.say(
                f"The source of the Mirth channel {self.channel.name!r} and of those that it hands its messages on to."
            )
            block.put("source", self.name)
            block.entries += source_of(
                self.channel.source, self.notes, self.names.ports, self.names.zone
            ).entries
            if not alone:
                self._channel_scripts(block)
            made[f"sources/{self.name}.yaml"] = yaml_of(block)
        elif self.shared is None:
            source = source_of(self.channel.source, self.notes, self.names.ports, self.names.zone)
        if alone:
            made[f"{self.name}.yaml"] = self.file(source)
        return made

    def file(self, source: Block | None) -> str:
        """The text of the channel, with its source in place, or (None) with the name of one that is shared."""
        channel, made = self.channel, Block()
        version = f"Mirth {channel.version}" if channel.version else "of an unknown version"
        made.say(_HEAD.format(name=channel.name, version=version))
        made.put("channel", self.name)
        if channel.description:
            made.put("description", " ".join(channel.description.split()))
        if not channel.runs:
            off = "switched off" if not channel.enabled else f"deployed {channel.state}"
            self.notes.remark("channel", f"it was {off} in Mirth; its destinations are in shadow")
            made.say(f"This channel was {off} in Mirth.")
        made.put("source", source if source is not None else self.shared or self.name)
        listens = hears(channel.source) or self.shared is not None
        self.lacking = bool(self.notes.missing) and not listens
        self._channel_scripts(made)
        self._data_type(channel.source, "source", made)
        self._put_filter(made, "filter", self._filter(channel.source, self.known, "source"), [])
        steps = self._steps(channel.source, self.known, "source")
        self.taken = self._certain(steps.taken)
        made.put("map", steps.map)
        if steps.unfiltered:
            self.lacking = True
        routes = Listing()
        for destination in channel.destinations:
            if destination.id in self.handed_on:
                routes.entries.append(
                    Comment(f"{destination.name}: that channel listens to the source {self.name} itself")
                )
            else:
                routes.entries.append(self._destination(destination))
        if routes.empty:
            self.notes.lose(
                "channel", "its destinations", "there is none, and a channel here has at least one"
            )
            block = Block()
            block.put("destination", unused(f"{self.name}-nowhere", self.names.destinations))
            block.put("status", "shadow")
            block.put("send", {"mllp": {"host": NOWHERE, "port": "1"}})
            routes.entries.append(block)
        made.put("send_to", routes)
        return yaml_of(made)

    def _channel_scripts(self, made: Block) -> None:
        for name in _SCRIPTS:
            script = self.channel.element.text(name)
            if does_nothing(script):
                continue
            made.say(self.notes.lose("channel", name, "it is JavaScript"))
            made.say("\n".join("    " + line for line in script.strip().splitlines()))
            # What it does before the channel changes the message; the others do something beside it.
            self.lacking = self.lacking or name == "preprocessingScript"
        attachment = self.channel.element.text("properties", "attachmentProperties", "type").strip()
        if attachment not in ("", "None"):
            made.say(self.notes.lose("channel", f"attachments by {attachment}", "a message is kept whole"))
        codes = self.channel.element.child(
            "sourceConnector", "transformer", "inboundProperties", "responseGenerationProperties"
        )
        for name, usual in (("successfulACKCode", "AA"), ("errorACKCode", "AE"), ("rejectedACKCode", "AR")):
            code = codes.text(name).strip() if codes is not None else ""
            if code not in ("", usual):
                made.say(self.notes.lose("source", f"{name} is {code}", f"hl7bridge answers {usual}"))
        if any(rule.enabled for rule in self.channel.source.rules):
            self.notes.remark("source", "a filtered message is answered AA here; Mirth's own answer is AR")

    def _data_type(self, connector: Connector, where: str, made: Block) -> bool:
        """Says where a connector is not HL7 v2 on both sides, or reads it otherwise than is usual."""
        lost = False
        types = (connector.inbound, connector.outbound)
        raw = types == ("RAW", "RAW") and not any(
            part.enabled for part in (*connector.rules, *connector.steps)
        )
        if not connector.known and not raw:
            what = f"{connector.inbound} to {connector.outbound}"
            made.say(self.notes.lose(where, what, "hl7bridge reads and sends HL7 v2"))
            lost = True
        for what, why in unusual(connector):
            made.say(self.notes.lose(where, what, why))
            lost = True
        if connector.splitter is not None:
            why = "hl7bridge begins a message at each MSH"
            made.say(self.notes.lose(where, "batches split by JavaScript", why))
            made.say("\n".join("    " + line for line in connector.splitter.strip().splitlines()))
            lost = True
        self.lacking = self.lacking or (lost and where == "source")
        return lost

    def _filter(self, connector: Connector, known: Known, where: str) -> Filter:
        found = filter_of(connector.rules, known) if connector.known else Filter()
        if not connector.known:
            found.missing = [(rule, "it is not about HL7 v2") for rule in connector.rules if rule.enabled]
        for rule, why in found.missing:
            self._lose(rule, "filter rule", f"{where} filter", why)
        self.lacking = self.lacking or (bool(found.missing) and where == "source")
        return found

    def _lose(self, part: Part, noun: str, where: str, why: str) -> None:
        self.notes.lose(where, f"{noun} {part} ({part.kind})", why)

    def _put_filter(self, made: Block, key: str, found: Filter, beside: list[Condition]) -> None:
        for rule, why in found.missing:
            made.say(quoted(rule, "filter rule", why))
        conditions = [*found.conditions, *beside]
        if not conditions:
            return
        block = Block()
        for each, value in joined(conditions).items():
            several = each in ("any", "all") and isinstance(value, list)
            block.put(each, Listing(list(value)) if several else value)
        made.put(key, block)

    def _steps(self, connector: Connector, known: Known, where: str) -> Steps:
        """The map of a connector, with its new message in front."""
        active = [part for part in connector.steps if part.enabled]
        template = bool(connector.template.strip())
        opening: list[Any] = []
        fault = "" if connector.known else "the connector is not HL7 v2 on both sides"
        if template and not fault:
            try:
                opening = new_message(connector.template)
            except NotRead as why:
                fault = str(why)
        if fault:
            found = Steps()
            if template and connector.known:
                found.map.entries.append(
                    Comment(self.notes.lose(f"{where} transformer", "the outbound template", fault))
                )
            for part in active:
                found.missing.append((part, fault))
                found.map.entries.append(Comment(quoted(part, "step", fault)))
            known.doubt(fault)
        else:
            known.template = template
            found = steps_of(connector.steps, known)
            found.map.entries = [*opening, *found.map.entries]
        for part, reason in found.missing:
            self._lose(part, "step", f"{where} transformer", reason)
        if where == "source" and ((fault and (active or template)) or found.missing):
            self.lacking = True
        for paths, what in (
            (found.firsts, "where a message has several of {}, Mirth writes XML; here it is the first"),
            (
                found.changed_firsts,
                "where several of {} are written to, Mirth stops with an error; here it is the first",
            ),
            (
                found.indexed,
                "where a message has not so many that {} could be written, Mirth stops with an error; here they are made",
            ),
        ):
            if paths:
                self.notes.remark(where, what.format(", ".join(dict.fromkeys(paths))))
        return found

    def _certain(self, taken: Sequence[Taken]) -> list[Taken]:
        """The destination set filters that ask for what the map leaves as it was."""
        why = (
            "a later step may change the field that it asks for, and destinations are chosen behind all steps"
        )
        for each in taken:
            if each.overtaken:
                self._lose(each.part, "step", "source transformer", why)
                each.comment.text = quoted(each.part, "step", why)
                self.lacking = True
        return [each for each in taken if not each.overtaken]

    def _known_to(self, destination: Connector, *, template: bool) -> Known:
        """What is certain where a destination begins."""
        known = self.known.inherited(template=template, behind_new=bool(self.channel.source.template.strip()))
        for key in known.variables:
            if set_elsewhere(destination, self.channel.destinations, key.partition(":")[2]):
                known.variables[key] = "its filter, or another destination, may set it too"
        return known

    def _destination(self, destination: Connector) -> Block:
        """One item of `send_to`."""
        where = f"destination {destination.id} '{destination.name}'"
        before = len(self.notes.missing)
        wanted = slug(destination.name)
        if wanted in self.names.destinations or re.fullmatch(r"(?:destination|channel)(?:-\d+)?", wanted):
            wanted = f"{self.name}-{wanted}"[:90]
        name = unused(wanted, self.names.destinations)
        before_map = self._known_to(destination, template=False)
        body, route = Block(), Block()
        self._data_type(destination, where, body)
        removed = [
            {"not": each.condition} for each in self.taken if (destination.id in each.ids) is not each.rest
        ]
        found = self._filter(destination, before_map, where)
        self._put_filter(body, "when", found, removed)
        known = self._known_to(destination, template=bool(destination.template.strip()))
        steps = self._steps(destination, known, where)
        send, beside = send_of(destination, name, self.heard, known, self.notes)
        body.put("send", send)
        body.entries += beside.entries
        body.put("processing", "any")
        body.put("map", steps.map)
        for part in destination.responses:
            if part.enabled:
                why = "answers are not transformed"
                self._lose(part, "response step", f"{where} response transformer", why)
                body.say(quoted(part, "response step", why))
        route.put("destination", name)
        lacks = self.lacking or len(self.notes.missing) > before
        if lacks or not self.channel.runs or not destination.enabled:
            route.put("status", "shadow")
        if not destination.enabled:
            route.say("This destination was switched off in Mirth.")
        route.entries += body.entries
        return route

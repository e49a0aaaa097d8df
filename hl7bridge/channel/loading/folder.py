"""Loading a folder: `load` and `check`.

A folder comes in as bytes by relative path: YAML, tables (`tables/*.csv`), Python hooks (`*.py`); rosters
need only be listed by name. All mistakes are found before any is reported. `load` raises
`ConfigurationErrors`, and nothing else.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hl7bridge.channel.deciding.configuration import ChannelSettings, Configuration, version_of
from hl7bridge.channel.deciding.expected import TestCase
from hl7bridge.channel.deciding.plan import ChannelPlan, SourcePlan
from hl7bridge.channel.keys.alerts import check_classes
from hl7bridge.channel.keys.destination import (
    affiliate_of,
    destination_of,
    roster_of,
    with_defaults,
)
from hl7bridge.channel.keys.engine import ENGINE, engine_of
from hl7bridge.channel.keys.privacy import Withholding
from hl7bridge.channel.keys.source import source_of
from hl7bridge.channel.loading.agreed import check_agreement
from hl7bridge.channel.loading.channelfile import ChannelReader, Folder, declare_in_place
from hl7bridge.channel.loading.filekind import KINDS
from hl7bridge.channel.loading.interactions import is_interactions, read_interactions
from hl7bridge.channel.loading.medicines import read_medicines
from hl7bridge.channel.loading.providers import PROVIDERS, read_providers
from hl7bridge.channel.loading.taken import check_circles, check_taken
from hl7bridge.channel.loading.testfile import TestReader
from hl7bridge.channel.loading.withheld import WITHHELD, classes_of, read_withheld
from hl7bridge.channel.rules.hook import Hooks
from hl7bridge.channel.rules.table import Table, read_table
from hl7bridge.channel.settings import PROGRAMME, DestinationSettings, EngineSettings, SourceSettings
from hl7bridge.channel.written.beyond import declared
from hl7bridge.channel.written.mistake import ConfigurationErrors, Mistake, Mistakes, Place, meant
from hl7bridge.channel.written.model import Reading
from hl7bridge.channel.written.record import Values
from hl7bridge.channel.written.yaml import Node, Pairs, noun, read, shown

Files = Mapping[str, bytes]
Secrets = Callable[[str], str]
ENGINE_FILE = "hl7bridge.yaml"


def no_secrets(name: str) -> str:
    """Secrets for a folder that needs none: every name is missing."""
    raise LookupError(name)


def any_secret(name: str) -> str:
    """Secrets for a configuration by which nothing is sent: each is a text, a host name, a port and a number."""
    return "1"


def load(files: Files, secrets: Secrets = no_secrets, *, kept: bool = False) -> Configuration:
    """The configuration that a folder holds; `kept`: that a store has kept, which keeps no rosters beside it.

    `files` maps relative paths with '/' to contents; `secrets` gives the text of `env.NAME` and `file./path`,
    or raises LookupError or OSError. Raises `ConfigurationErrors` with every mistake in the folder.
    """
    loader = _Loader(files, secrets, kept)
    configuration = loader.configuration()
    if len(loader.mistakes):
        raise ConfigurationErrors(loader.mistakes.sorted())
    return configuration


def check(files: Files, secrets: Secrets = no_secrets) -> list[Mistake]:
    """Every mistake in a folder, by file, line and column."""
    return look_over(files, secrets).mistakes


class Looked(NamedTuple):
    """What a look over a folder finds: mistakes, warnings of what stops nothing and may well be meant, and, without a mistake, the
    configuration.
    """

    mistakes: list[Mistake]
    warnings: list[Mistake]
    configuration: Configuration | None


def look_over(files: Files, secrets: Secrets = no_secrets) -> Looked:
    """Everything there is to say of a folder."""
    loader = _Loader(files, secrets)
    made = loader.configuration()
    mistakes = loader.mistakes.sorted()
    return Looked(mistakes, loader.reading.warnings.sorted(), None if mistakes else made)


def is_yaml(path: str) -> bool:
    """Whether a path is a YAML file of the configuration: not hidden, nor in a hidden folder."""
    return path.endswith((".yaml", ".yml")) and not any(part.startswith(".") for part in path.split("/"))


def is_test(path: str) -> bool:
    """Whether a path holds tests beside a channel."""
    return path.endswith((".test.yaml", ".test.yml"))


def is_table(path: str) -> bool:
    """Whether a path holds a code table."""
    return path.endswith(".csv") and "tables" in path.split("/")[:-1]


def decides(path: str) -> bool:
    """Whether what is in this file bears on decisions, so that it belongs to the version."""
    return (is_yaml(path) and not is_test(path)) or is_table(path) or path.endswith(".py")


class _Loader:
    """Reads one folder."""

    def __init__(self, files: Files, secrets: Secrets, kept: bool = False) -> None:
        self.files = files
        self.kept = kept
        self.mistakes = Mistakes()
        self.reading = Reading(self.mistakes, secrets, kept=kept)
        self.engine = EngineSettings()
        self.defaults: Values | None = None
        self.withheld: str | None = None
        self.withholding: Values | None = None
        self.providers: Values | None = None
        self.sources: dict[str, SourceSettings] = {}
        self.source_names: set[str] = set()
        self.source_places: dict[str, Place] = {}
        self.found: dict[str, list[tuple[str, Values]]] = {kind: [] for kind in KINDS}
        self.test_files: list[tuple[str, Node]] = []
        #: Files that are no YAML: what stands in them is not missed a second time.
        self.unread: set[str] = set()
        self.channels: dict[str, ChannelSettings] = {}
        self.plans: dict[str, ChannelPlan] = {}

    def configuration(self) -> Configuration:
        """Everything that can be read; `mistakes` says whether it can be used."""
        tables = self._tables()
        folder = Folder(self.reading, tables, Hooks(self.files, self.mistakes))
        self._read_files()
        if self.defaults is not None and isinstance(self.defaults["destination"], Values):
            folder.defaults = self.defaults["destination"]
        medicines = read_medicines(tables, self.mistakes)
        withheld = read_withheld(
            self.withheld, self.files.get(self.withheld or "", b""), medicines, tables, self.mistakes
        )
        folder.withholding = Withholding(withheld, self.withholding, self.reading)
        folder.withholding.check(self.providers)
        self._sources()
        self._destinations(folder, classes_of(tables))
        for path, values in self.found["channel"]:
            declare_in_place(folder, values, path)
        by_source = self._channels(folder)
        check_taken(self.sources, self.source_places, self.mistakes)
        check_circles(
            self.sources, folder.destinations, self.channels.values(), self.source_places, self.mistakes
        )
        used = {path: data for path, data in self.files.items() if decides(path)}
        return Configuration(
            version=version_of(used),
            sources=self.sources,
            channels=self.channels,
            destinations=folder.destinations,
            tables={name: table for name, table in tables.items() if table is not None},
            engine=self.engine,
            files=used,
            secret_names=tuple(sorted(self.reading.secret_names)),
            plans=self._source_plans(by_source),
            channel_plans=self.plans,
            tests=tuple(self._tests(folder)),
            providers=read_providers(tables.get(PROVIDERS), self.mistakes),
            medicines=medicines,
            withheld=withheld,
            privacies=folder.privacies,
        )

    def _source_plans(self, by_source: dict[str, list[ChannelPlan]]) -> dict[str, SourcePlan]:
        plans = {
            name: SourcePlan(name, by_source.get(name, ()), made.zone, made.unaccepted, made.errors_answer)
            for name, made in self.sources.items()
        }
        if PROGRAMME in by_source:
            plans[PROGRAMME] = SourcePlan(PROGRAMME, by_source[PROGRAMME], self.engine.programme_zone)
        return plans

    def _tables(self) -> dict[str, Table | None]:
        tables: dict[str, Table | None] = {}
        homes: dict[str, str] = {}
        for path in sorted(path for path in self.files if is_table(path)):
            if is_interactions(path):
                read_interactions(path, self.files[path], self.mistakes)
                continue
            name = posixpath.basename(path).removesuffix(".csv")
            if name in homes:
                self.mistakes.add(
                    Place(path, 1, 1), f"there is a table {name} already", f"it is {homes[name]}; rename one"
                )
                continue
            homes[name] = path
            if name == WITHHELD:  # not looked up by one key: a code may stand in several categories
                self.withheld = path
                continue
            tables[name] = read_table(path, self.files[path], self.mistakes)
        return tables

    def _read_files(self) -> None:
        paths = sorted(path for path in self.files if is_yaml(path))
        if ENGINE_FILE in paths:
            self._engine_file()
        for path in paths:
            if path == ENGINE_FILE:
                continue
            node = read(path, self.files[path], self.mistakes)
            if node is None:
                self.unread.add(posixpath.splitext(path)[0])
                continue
            if is_test(path):
                self.test_files.append((path, node))
                continue
            kind = self._kind_of(path, node)
            if kind is not None:
                values = KINDS[kind][0].read(node, self.reading)
                if isinstance(values, Values):
                    self.found[kind].append((path, values))

    def _engine_file(self) -> None:
        node = read(ENGINE_FILE, self.files[ENGINE_FILE], self.mistakes)
        if node is None:
            return
        self.reading.site_fields = declared(node, self.reading)
        values = ENGINE.read(node, self.reading)
        if isinstance(values, Values):
            self.engine = engine_of(values)
            self.defaults = values["defaults"]
            self.withholding = values["withhold"]
            self.providers = values["programme"]["providers"] if values["programme"] is not None else None

    def _kind_of(self, path: str, node: Node) -> str | None:
        if not isinstance(node, Pairs):
            self.reading.wrong(
                node, f"{noun(node)} stands where a channel, a destination or the like belongs"
            )
            return None
        keys = {key.text for key, _ in node.pairs}
        for kind in KINDS:
            if kind in keys:
                return kind
        home = posixpath.basename(posixpath.dirname(path))
        for kind, (_, usual) in KINDS.items():
            if usual and home == usual:
                return kind
        likely = [near for key in keys if (near := meant(key, KINDS, "")).startswith("did")]
        self.reading.wrong(
            node,
            "this file does not say what it is",
            likely[0]
            if likely
            else "it begins with channel:, affiliate:, destination: or source: and a name",
        )
        return None

    def _defaults_for(self, kind: str) -> Values | None:
        chosen = self.defaults[kind] if self.defaults is not None else None
        return chosen if isinstance(chosen, Values) else None

    def _sources(self) -> None:
        defaults = self._defaults_for("source")
        for _, values in self.found["source"]:
            self._source(values["source"], values, values.nodes.get("source"), defaults)
        for path, values in self.found["channel"]:
            inline = values["source"]
            name = values["channel"] or path
            if isinstance(inline, Values):
                self._source(name, inline, values.nodes.get("channel"), defaults)

    def _source(self, name: str | None, values: Values, node: Node | None, defaults: Values | None) -> None:
        if name is None:
            return
        if name == PROGRAMME and node is not None:
            hint = "its messages are the programme's own alerts and summaries; choose another name"
            self.reading.wrong(node, f"the source {PROGRAMME} is there already", hint)
            return
        if name in self.source_names:
            if node is not None:
                hint = "a channel with a source of its own names it after itself"
                self.reading.wrong(node, f"there is a source {shown(name)} already", hint)
            return
        self.source_names.add(name)
        made = source_of(name, with_defaults(values, defaults))
        if made is not None:
            self.sources[name] = made
            self.source_places[name] = values.place_of("mllp" if made.mllp is not None else "file")

    def _destinations(self, folder: Folder, known_classes: set[str]) -> None:
        makers: dict[str, Callable[[str, Values], DestinationSettings | None]] = {
            "affiliate": affiliate_of,
            "destination": destination_of,
        }
        for kind, make in makers.items():
            for path, values in self.found[kind]:
                name = values[kind]
                if name is None:
                    continue
                if name in folder.names:
                    hint = f"it stands in {folder.files[name]}"
                    self.reading.wrong(
                        values.nodes[kind], f"there is a destination {shown(name)} already", hint
                    )
                    continue
                folder.names.add(name)
                folder.files[name] = path
                made = make(name, with_defaults(values, folder.defaults))
                folder.keep_private(name, values, affiliate=kind == "affiliate")
                if made is not None:
                    folder.destinations[name] = made
                if (overlay := values.nodes.get("map")) is not None:
                    folder.overlays[name] = overlay
                if kind == "affiliate" and not self.kept:
                    self._roster_file(values)
                    check_classes(values, known_classes, self.reading)
                    if not self.unread:
                        check_agreement(values, [each for _, each in self.found["channel"]], self.reading)

    def _roster_file(self, values: Values) -> None:
        roster, _ = roster_of(values)
        if roster is not None and not roster.startswith("/") and posixpath.normpath(roster) not in self.files:
            known = [path for path in self.files if path.endswith(".csv") and not is_table(path)]
            self.reading.wrong(
                values.nodes["roster"],
                f"there is no file {shown(roster)}",
                meant(roster, known, "its path is counted from the folder"),
            )

    def _channels(self, folder: Folder) -> dict[str, list[ChannelPlan]]:
        by_source: dict[str, list[ChannelPlan]] = {}
        used: set[str] = set()
        for path, values in self.found["channel"]:
            reader = ChannelReader(folder, values, path)
            if reader.name in self.channels and values["channel"] is not None:
                hint = f"it stands in {self.channels[reader.name].file}"
                self.reading.wrong(
                    values.nodes["channel"], f"there is a channel {shown(reader.name)} already", hint
                )
                continue
            source = self._source_of(values, reader.name)
            plan = reader.plan()
            used |= {each.name for route in plan.routes for each in route.destinations}
            self.plans[reader.name] = plan
            self.channels[reader.name] = reader.settings(source or reader.name, plan)
            if source is not None:
                by_source.setdefault(source, []).append(plan)
        self._unused_overlays(folder, used)
        return by_source

    def _tests(self, folder: Folder) -> list[TestCase]:
        cases: list[TestCase] = []
        for path, node in self.test_files:
            if posixpath.splitext(path)[0].removesuffix(".test") in self.unread:
                continue
            setting = folder.setting("a test")
            cases += TestReader(path, self.channels, folder.names, setting).read(node)
        return cases

    def _unused_overlays(self, folder: Folder, used: set[str]) -> None:
        """Maps of destinations that no channel sends to yet are compiled too, so that their mistakes are
        named.
        """
        from hl7bridge.channel.rules.steps import read_steps

        routed = {name for channel in self.channels.values() for name in channel.destinations} | used
        for name, node in folder.overlays.items():
            if name not in routed:
                read_steps(node, folder.setting(name))

    def _source_of(self, values: Values, channel: str) -> str | None:
        source = values["source"]
        if isinstance(source, Values):
            return channel
        if source is None:
            return None
        if source == PROGRAMME:
            return PROGRAMME
        if source not in self.source_names:
            node = values.nodes["source"]
            hint = meant(source, {*self.source_names, PROGRAMME}, f"write sources/{source}.yaml")
            self.reading.wrong(node, f"there is no source {shown(source)}", hint)
            return None
        name: str = source
        return name

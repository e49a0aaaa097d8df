"""The names that the files of a folder give: tables with their columns, destinations, affiliates, scopes, sources, channels.

For editors, which complete them and mark others: so a folder with mistakes has names too. Pure; raises nothing: what cannot be read
names nothing.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hl7bridge.channel.loading.folder import ENGINE_FILE, is_table, is_test, is_yaml
from hl7bridge.channel.loading.interactions import is_interactions
from hl7bridge.channel.loading.withheld import WITHHELD
from hl7bridge.channel.rules.table import read_table
from hl7bridge.channel.settings import PROGRAMME
from hl7bridge.channel.written.beyond import Site, declared
from hl7bridge.channel.written.kinds import NAME
from hl7bridge.channel.written.mistake import Mistakes
from hl7bridge.channel.written.model import Reading
from hl7bridge.channel.written.named import Named, names_in
from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.channel.written.yaml import Pairs, Scalar, read

_SEGMENT: Final = re.compile(r"(?<![A-Z0-9])[A-Z][A-Z0-9]{2}(?![A-Z0-9])")


@dataclass
class FolderNames:
    """What may be named in a folder. `tables` maps to columns (none where the file has mistakes); `site` is `site_fields`;
    `segments` are those that it speaks of.
    """

    tables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    destinations: set[str] = field(default_factory=set)
    affiliates: set[str] = field(default_factory=set)
    scopes: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=lambda: {PROGRAMME})
    channels: set[str] = field(default_factory=set)
    site: frozenset[Site] = frozenset()
    segments: set[str] = field(default_factory=set)


def names_of(files: Mapping[str, bytes]) -> FolderNames:
    """The names in a folder; `files` as `folder.load` takes them."""
    found = FolderNames()
    by_kind = {
        Named.DESTINATION: found.destinations,
        Named.SOURCE: found.sources,
        Named.CHANNEL: found.channels,
    }
    for path, data in files.items():
        if is_table(path):
            name = posixpath.basename(path).removesuffix(".csv")
            if name != WITHHELD and not is_interactions(path):  # nothing is looked up in these by a map
                table = read_table(path, data, Mistakes())
                found.tables[name] = () if table is None else table.columns
        elif is_yaml(path):
            found.segments |= SEGMENTS & set(_SEGMENT.findall(data.decode("utf-8", "replace")))
            if is_test(path):
                continue
            for kind, name in names_in(path, data):
                if _is_name(name):
                    by_kind[kind].add(name)
            _more(path, data, found)
    return found


def _more(path: str, data: bytes, found: FolderNames) -> None:
    """An affiliate with its scopes, and the fields of the site."""
    root = read(path, data, Mistakes())
    if not isinstance(root, Pairs):
        return
    if path == ENGINE_FILE:
        found.site = declared(root, Reading(Mistakes(), lambda name: ""))
    name, agreement = root.get("affiliate"), root.get("agreement")
    if isinstance(name, Scalar):
        found.affiliates |= {name.text} if _is_name(name.text) else set()
        scopes = {key.text for key, _ in agreement.pairs} if isinstance(agreement, Pairs) else set()
        found.scopes |= set(filter(_is_name, scopes))


def _is_name(text: str) -> bool:
    """What is half written is none yet, and no editor should propose it."""
    return re.fullmatch(NAME.pattern or "", text) is not None

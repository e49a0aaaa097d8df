"""A folder that was read without a mistake: settings and compiled plans, under one version. Never changed.
Raises nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from hl7bridge.affiliation.messages.recipient import Recipient
from hl7bridge.affiliation.tables.medicines import Medicines
from hl7bridge.affiliation.tables.withheld import Withheld
from hl7bridge.channel.deciding.expected import TestCase
from hl7bridge.channel.deciding.plan import ChannelPlan, SourcePlan
from hl7bridge.channel.privacy.withhold import Privacy
from hl7bridge.channel.rules.table import Table
from hl7bridge.channel.settings import DestinationSettings, EngineSettings, SourceSettings


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What is to be shown of a channel. `destinations` are those that it may send to."""

    name: str
    description: str
    source: str
    file: str
    accept: tuple[str, ...] | None
    destinations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything the engine runs on. `files` are those that decide, by which the version is named."""

    version: str
    sources: Mapping[str, SourceSettings]
    channels: Mapping[str, ChannelSettings]
    destinations: Mapping[str, DestinationSettings]
    tables: Mapping[str, Table]
    engine: EngineSettings
    files: Mapping[str, bytes] = field(repr=False)
    secret_names: tuple[str, ...]
    plans: Mapping[str, SourcePlan] = field(repr=False)
    channel_plans: Mapping[str, ChannelPlan] = field(repr=False)
    tests: tuple[TestCase, ...] = field(default=(), repr=False)
    medicines: Medicines = field(default_factory=Medicines, repr=False)
    providers: Mapping[str, Recipient] = field(default_factory=dict, repr=False)
    withheld: Withheld = field(default_factory=Withheld, repr=False)
    privacies: Mapping[str, Privacy] = field(default_factory=dict, repr=False)

    def encoding(self, source: str) -> str:
        """The character set of a source's messages that name none; the programme's own are in UTF-8."""
        settings = self.sources.get(source)
        return "utf-8" if settings is None else settings.encoding

    def authorities_but(self, affiliate: str) -> frozenset[str]:
        """The authorities of the other affiliates' patient numbers, which this one need not see; one that is its own too is not among
        them.
        """
        found = {
            name: settings.affiliate.authority
            for name, settings in self.destinations.items()
            if settings.affiliate is not None and settings.affiliate.authority
        }
        return frozenset(found.values()) - {found.get(affiliate, "")}

    @property
    def affiliates(self) -> dict[str, DestinationSettings]:
        """The destinations that are affiliates."""
        return {
            name: settings for name, settings in self.destinations.items() if settings.affiliate is not None
        }


def version_of(files: Mapping[str, bytes]) -> str:
    """The name of a folder's content: SHA-256 over the files that decide, their names included."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(len(path.encode()).to_bytes(4, "big") + path.encode())
        digest.update(len(files[path]).to_bytes(8, "big") + files[path])
    return digest.hexdigest()

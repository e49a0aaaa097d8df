"""Which channels send to a destination, by the version of the configuration that decided a message. Raises what a store raises."""

from __future__ import annotations

from hl7bridge.channel.loading.folder import any_secret, load
from hl7bridge.channel.written.mistake import ConfigurationErrors
from hl7bridge.store.base import MessageRow, StoreReader


class Routes:
    """Of one destination. `unknown`: versions that cannot be read any more, of whose messages only a delivery tells."""

    def __init__(self, reader: StoreReader, destination: str) -> None:
        self._reader = reader
        self._destination = destination
        self._channels: dict[str, frozenset[str]] = {}
        self.unknown: set[str] = set()

    def of(self, version: str) -> frozenset[str]:
        """The channels that a version lets send to it."""
        if version not in self._channels:
            self._channels[version] = self._read(version)
        return self._channels[version]

    def looked(self, row: MessageRow) -> bool:
        """Whether a channel that sends to it looked at this message."""
        channels = self.of(row.version)
        return any(channel in channels for channel, _, _ in row.outcomes)

    def _read(self, version: str) -> frozenset[str]:
        kept = self._reader.configuration(version)
        try:
            if kept is not None:
                configuration = load(kept.files, any_secret, kept=True)
                return frozenset(
                    name
                    for name, channel in configuration.channels.items()
                    if self._destination in channel.destinations
                )
        except ConfigurationErrors:
            pass  # an older program's language, or Python of a hook that is gone
        self.unknown.add(version)
        return frozenset()

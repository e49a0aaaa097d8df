"""Whether a name that an operator gave is one, for an answer that would otherwise sound like good news: nothing was found.

Refuses to know sockets. Raises HL7BridgeError for a name that neither a configuration that was ever in force nor the store knows.
"""

from __future__ import annotations

from collections.abc import Iterator

from hl7bridge.channel.settings import PROGRAMME
from hl7bridge.channel.written.mistake import meant
from hl7bridge.channel.written.named import Named, names_in
from hl7bridge.errors import HL7BridgeError
from hl7bridge.store.base import DeliveryQuery, MessageQuery, StoreReader


def must_be_known(reader: StoreReader, kind: Named, name: str) -> None:
    """Raises where nothing was ever called so."""
    known: set[str] = {PROGRAMME} if kind is Named.SOURCE else set()
    for found in _configured(reader):
        known |= {each for of, each in found if of is kind}
        if name in known:
            return
    if _in_store(reader, kind, name):
        return
    raise HL7BridgeError(
        f"there is no {kind} {name}",
        code=f"unknown-{kind}",
        hint=meant(name, known, ", ".join(sorted(known))) if known else None,
    )


def _configured(reader: StoreReader) -> Iterator[set[tuple[Named, str]]]:
    """What each configuration named, the newest first; what it has in common with a newer one is not said again."""
    seen: set[tuple[str, bytes]] = set()
    for version, _ in reversed(reader.versions()):
        kept = reader.configuration(version)
        files = {} if kept is None else kept.files
        new = {(path, data) for path, data in files.items() if path.endswith((".yaml", ".yml"))} - seen
        seen |= new
        yield {each for path, data in new for each in names_in(path, data)}


def _in_store(reader: StoreReader, kind: Named, name: str) -> bool:
    """Whether a message or a delivery bears the name."""
    if kind is Named.DESTINATION:
        return bool(reader.deliveries(DeliveryQuery(destination=name), limit=1))
    query = MessageQuery(source=name) if kind is Named.SOURCE else MessageQuery(channel=name)
    return bool(reader.messages(query, limit=1))

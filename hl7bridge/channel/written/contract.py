"""What a kept configuration says of an affiliate's agreement: its full name, and from when each scope is shared.

For looking back at what an earlier version decided, without loading all of it (its secrets may be gone, its Python need not run).
Pure; raises nothing: what cannot be read is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hl7bridge.channel.written.mistake import Mistakes
from hl7bridge.channel.written.yaml import Pairs, Scalar, read


@dataclass(frozen=True, slots=True)
class Contract:
    """An affiliate's full name, and the first day of each scope as it was written (YYYY-MM-DD)."""

    full_name: str
    first_days: Mapping[str, str] = field(default_factory=dict)


def contracts_of(files: Mapping[str, bytes]) -> dict[str, Contract]:
    """The affiliates of a configuration by their names in it; `files` as `folder.load` takes them."""
    found: dict[str, Contract] = {}
    for path, data in files.items():
        if not path.endswith((".yaml", ".yml")) or b"affiliate" not in data:
            continue
        root = read(path, data, Mistakes())
        if not isinstance(root, Pairs):
            continue
        name, full, agreement = (root.get(key) for key in ("affiliate", "name", "agreement"))
        if not isinstance(name, Scalar):
            continue
        days: dict[str, str] = {}
        if isinstance(agreement, Pairs):
            days = {scope.text: day.text for scope, day in agreement.pairs if isinstance(day, Scalar)}
        found[name.text] = Contract(full.text if isinstance(full, Scalar) else name.text, days)
    return found

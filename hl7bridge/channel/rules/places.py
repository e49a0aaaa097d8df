"""Lists of places in a message, as a channel names them: one path or several, each to a field. Raises nothing; mistakes are named."""

from __future__ import annotations

from hl7bridge.channel.rules.reference import First, first_value, read_reference
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.written.model import Wrong
from hl7bridge.channel.written.yaml import Items, Node, Scalar, noun


def field_paths(
    node: Node | None, setting: Setting, like: str = "write it like ORC-7.3", table: str | None = None
) -> tuple[First, ...]:
    """What reads the first value of each of the places, of which `table` may have the code; those with mistakes are left out."""
    found: list[First] = []
    for item in node.items if isinstance(node, Items) else [] if node is None else [node]:
        if not isinstance(item, Scalar):
            setting.wrong(item, f"{noun(item)} stands where a path belongs", like)
            continue
        reference = read_reference(item, setting)
        if isinstance(reference, Wrong):
            continue
        if reference.whole_segment:
            setting.wrong(item, f"{item.text} is a segment, not a field", f"name a field: {item.text}-1")
            continue
        setting.asks_table(reference, item, table)
        found.append(first_value(reference))
    return tuple(found)

"""A file reader of Mirth's as a watched folder. Raises nothing."""

from __future__ import annotations

import re
from typing import Final

from hl7bridge.mirth.export import Element
from hl7bridge.mirth.lines import Block
from hl7bridge.mirth.notes import Notes
from hl7bridge.mirth.queue import milliseconds, span

#: Folders that Windows means: of a drive, or of another machine.
WINDOWS: Final = re.compile(r"[A-Za-z]:.*|\\\\.*|//.*", re.DOTALL)
#: The longest name pattern that a source takes.
_LONGEST: Final = 200


def not_read(properties: Element) -> str | None:
    """What of a file reader hl7bridge has none of, so that something stands in its place; None where it can be read from."""
    scheme, folder = properties.text("scheme").strip(), properties.text("host").strip()
    pattern = properties.text("fileFilter").strip()
    polling = properties.text("pollConnectorProperties", "pollingType").strip()
    if scheme not in ("", "FILE"):
        return f"reads over {scheme}"
    if not folder or "${" in folder or WINDOWS.fullmatch(folder):
        return f"its folder {folder}".strip()
    if properties.flag("regex"):
        return "names of files by a regular expression"
    if "," in pattern or "/" in pattern or "${" in pattern or "[" in pattern or len(pattern) > _LONGEST:
        return f"the names of files {pattern}"
    if properties.flag("directoryRecursion"):
        return "folders below its folder"
    if polling not in ("", "INTERVAL"):
        return f"it looks for files by {polling.lower()}"
    if properties.flag("binary"):
        return "binary files"
    smallest = properties.text("fileSizeMinimum").strip()
    if smallest not in ("", "0") or not properties.flag("ignoreFileSizeMaximum", default=True):
        return "files by their size"
    return None


def put_folder(properties: Element, block: Block, notes: Notes) -> None:
    """The keys of `file:` for a reader of which `not_read` says nothing."""
    block.put("folder", properties.text("host").strip())
    pattern = properties.text("fileFilter").strip()
    if pattern not in ("", "*"):
        block.put("pattern", pattern)
    every = milliseconds(properties.text("pollConnectorProperties", "pollingFrequency"))
    if every:
        block.put("every", span(max(every, 100)))
    if properties.flag("checkFileAge", default=True):
        age = milliseconds(properties.text("fileAge"))
        if age:
            block.put("settled", span(age))
    action = properties.text("afterProcessingAction").strip()
    if action == "DELETE":
        block.put("keep", "0s")
        notes.remark("source", "files that were taken lie in done/ for some minutes before they are removed")
    elif action == "MOVE":
        where = properties.text("moveToDirectory").strip() or "a folder of its own"
        notes.remark("source", f"files that were taken go to done/, and not to {where}")
    else:
        notes.remark(
            "source", "Mirth left files where they were and read them again; here they go to done/, once"
        )
    notes.remark(
        "source",
        "a file that cannot be read, or of which something is refused, goes to failed/ with the reason",
    )
    if properties.text("sortBy").strip() not in ("", "date"):
        notes.remark("source", "files are taken by age, the oldest first")
    if not properties.flag("sourceConnectorProperties", "processBatch"):
        notes.remark("source", "a file of several messages is split")
    if not properties.flag("ignoreDot", default=True):
        notes.remark("source", "files whose names begin with a dot are not taken")

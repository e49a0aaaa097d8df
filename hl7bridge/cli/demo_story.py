"""What the demo's story shows: each scene in words, with the messages that were really sent. Knows rich and a story."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from hl7bridge.cli.tables import console

if TYPE_CHECKING:
    from hl7bridge.testing.story import Scene

_WIDTH = 118
#: Of a message: its lines, and how long a line is shown.
_LINES, _LINE = 12, 150
_DOCUMENT = re.compile(r"(\^Base64\^)([A-Za-z0-9+/=]{40})[A-Za-z0-9+/=]+")
#: What the eye should find: what is abnormal or final, corrected, and the sentence that says why.
_MARKED = re.compile(r"\|A\|\|\|F\||\|C\||Not picked up here[^|]*|Withdrawn[^|]*|MDM\^T02[^|]*|not-picked-up")


def show(channels: Path, *, keep: bool) -> None:
    """Runs the story and prints it as it happens. Raises HL7BridgeError where it does not go as it must."""
    from hl7bridge.engine import steady

    reactor = steady.install()

    from hl7bridge.testing.story import DAYS, Story

    out = console()
    folder = Path(tempfile.mkdtemp(prefix="hl7bridge-story-"))
    out.print(
        f"A story of {DAYS} days, told in seconds: real engine, real sockets, made-up people.\n", style="bold"
    )
    ends: list[BaseException | None] = []
    try:
        story = Story(channels, folder, reactor, lambda scene: _print(scene, out))

        def ended(failure: object) -> None:
            ends.append(getattr(failure, "value", None))
            reactor.callLater(0, reactor.stop)

        reactor.callWhenRunning(lambda: story.run().addBoth(ended))
        reactor.run()
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    if not ends:
        raise SystemExit(130)
    if ends[0] is not None:
        raise ends[0]
    out.print(
        "So it ends: told once, taken back when it was over, and nothing left unnoticed.", style="bold green"
    )
    if keep:
        out.print(
            f"Its data is kept, until you remove {folder}:\n"
            f"  bin/hl7bridge patient '4410027^LANTERN' --data {folder / 'data'}",
            style="dim",
        )


def _print(scene: Scene, out: Console) -> None:
    out.print(Text(f"Day {scene.day}", style="bold cyan"))
    # Folded here: what rich folds keeps a blank at the end of each line.
    out.print(Text(fill(scene.text, min(_WIDTH, out.width), break_on_hyphens=False)), soft_wrap=True)
    for who, message in scene.messages:
        out.print(Text(f"  {who}:", style="dim"))
        lines = message.decode("utf-8", "replace").strip("\r").split("\r")
        for line in lines[:_LINES]:
            out.print(_shown(line), soft_wrap=True)
        if len(lines) > _LINES:
            out.print(Text(f"    ... {len(lines) - _LINES} more segments", style="dim"))
    for path in scene.files:
        size = f"{path.stat().st_size:,} bytes"
        out.print(Text(f"    {'/'.join(path.parts[-4:])}  {size}", style="dim"))
    out.print()


def _shown(line: str) -> Text:
    cut = _DOCUMENT.sub(r"\1\2...", line)
    cut = cut if len(cut) <= _LINE else cut[: _LINE - 3] + "..."
    text = Text(f"    {cut}", style="dim")
    text.stylize("bold not dim", 4, 7)
    for found in _MARKED.finditer(cut):
        text.stylize("bold yellow not dim", found.start() + 4, found.end() + 4)
    return text

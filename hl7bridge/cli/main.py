"""The group of all commands, and what they share."""

from __future__ import annotations

import errno
import importlib
import keyword
import os
import sys
from typing import Any

import click

from hl7bridge.errors import HL7BridgeError
from hl7bridge.words import counted

#: Each command and the module that holds it; a module is imported when its command is used.
COMMANDS = {
    "run": "run",
    "demo": "demo",
    "check": "check",
    "test": "check",
    "schema": "check",
    "reload": "run",
    "status": "run",
    "messages": "find",
    "show": "find",
    "stats": "find",
    "patient": "patient",
    "report": "report",
    "disclosures": "audit",
    "audit": "audit",
    "queue": "queue",
    "replay": "replay",
    "reconcile": "reconcile",
    "drift": "drift",
    "compare": "compare",
    "trace": "why",
    "why": "why",
    "send": "wire",
    "receive": "wire",
    "generate": "generate",
    "certify": "certify",
    "sample": "sample",
    "import": "importing",
}


class Commands(click.Group):
    """Loads commands when they are used, and says errors in a line instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        module = COMMANDS.get(name)
        if module is None:
            return None
        held = f"{name}_" if keyword.iskeyword(name) else name
        return getattr(importlib.import_module(f"hl7bridge.cli.{module}"), held)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from difflib import get_close_matches

        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-"):
            near = get_close_matches(name, COMMANDS, 1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"There is no command '{name}'.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HL7BridgeError as error:
            from hl7bridge.operations.acting import ActRefused

            mistakes = getattr(error, "mistakes", ())
            for mistake in mistakes:
                click.echo(str(mistake), err=True)
            count = counted(len(mistakes), "mistake")
            # Only an engine that runs has a configuration that it keeps.
            kept = "nothing was changed" if isinstance(error, ActRefused) else "nothing was run"
            click.echo(f"hl7bridge: {count}, {kept}" if mistakes else f"hl7bridge: {error}", err=True)
            ctx.exit(1 if mistakes else 2)
        except BrokenPipeError:
            sys.stderr.close()
            ctx.exit(0)
        except OSError as error:
            # Of a file that a person named, or of the disk; anything else is a fault of ours and keeps its traceback.
            if error.filename is None and error.errno != errno.ENOSPC:
                raise
            where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
            click.echo(f"hl7bridge: {where}{error.strerror}", err=True)
            ctx.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="hl7bridge", message="%(prog)s %(version)s")
def main() -> None:
    """An HL7 v2 interface engine: MLLP in, YAML channels, MLLP out, nothing acknowledged ever lost."""

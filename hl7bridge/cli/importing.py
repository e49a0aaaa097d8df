"""import."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import click

from hl7bridge.channel.loading.folder import check as check_files
from hl7bridge.cli.options import echo_json, json_option
from hl7bridge.cli.tables import console, table
from hl7bridge.engine.folder import read_folder, read_secret
from hl7bridge.errors import HL7BridgeError
from hl7bridge.mirth.channel import Imported, folder_name, import_export
from hl7bridge.mirth.export import MOST_BYTES, ExportError
from hl7bridge.words import counted


class ImportRefused(HL7BridgeError):
    """An import that would spoil what is there. Nothing was written."""


class _Zone(click.ParamType):
    """A time zone of the IANA database."""

    name = "zone"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return ZoneInfo(value).key
        except (LookupError, ValueError, OSError):
            self.fail(f"{value!r} is no time zone; write it like America/New_York", param, ctx)


@click.group("import")
def import_() -> None:
    """Make channels of what another engine exports."""


@import_.command()
@click.argument("export", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder.  [default: the channel's name]",
)
@click.option(
    "--zone", type=_Zone(), help="The time zone that Mirth runs in; steps that write the time need it."
)
@json_option
def mirth(export: Path, to: Path | None, zone: str | None, as_json: bool) -> None:
    """Turn an export of Mirth Connect or the Open Integration Engine (3.x, 4.x) into a folder of channels.

    EXPORT holds a channel, a group of channels or a whole server. What could not be carried over stands as a comment at its place,
    JavaScript in full, and is listed. No file that is there is written over.

    Exit status 1 if something was not carried over.
    """
    data = _read(export)
    with console(stderr=True).status("reading channels"):
        try:
            folder = to or Path(folder_name(data))
            there = _there(folder)
            made = import_export(data, zone=zone, taken=_destinations(there))
        except ExportError as fault:
            fault.place = f"{export}:{fault.place}" if fault.place else str(export)
            raise
        _write(folder, there, made)
    if as_json:
        for missing in made.missing:
            echo_json({"kind": "not carried over", **missing._asdict()})
        for remark in made.remarks:
            echo_json({"kind": "remark", **remark._asdict()})
    else:
        _show(folder, made)
    if made.missing:
        raise SystemExit(1)


def _read(export: Path) -> bytes:
    try:
        with export.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as fault:
        raise ExportError(
            f"cannot be read: {fault.strerror}", code="unreadable-file", place=str(export)
        ) from None


def _there(folder: Path) -> dict[str, bytes]:
    return read_folder(folder) if folder.exists() else {}


def _destinations(there: dict[str, bytes]) -> list[str]:
    """Names of destinations that files of a folder may define, read loosely: a name too many does no harm."""
    names = []
    for data in there.values():
        for line in data.decode("utf-8", "replace").splitlines():
            key, colon, value = line.strip().removeprefix("- ").partition(":")
            if colon and key in ("destination", "affiliate"):
                names.append(value.strip().strip("'\""))
    return names


def _write(folder: Path, there: dict[str, bytes], made: Imported) -> None:
    """Writes every file, or none. Raises `ImportRefused`."""
    for name in made.files:
        if (folder / name).exists():
            hint = "take it away, or choose another folder with --to"
            raise ImportRefused(
                "there is such a file already", code="file-there", place=str(folder / name), hint=hint
            )
    new = {name: text.encode() for name, text in made.files.items()}

    def secrets(reference: str) -> str:
        return read_secret(folder, reference)

    before = {each.what for each in check_files(there, secrets)}
    mistakes = [each for each in check_files({**there, **new}, secrets) if each.what not in before]
    if mistakes:
        for each in mistakes:
            click.echo(folder / str(each), err=True)
        what = f"{counted(len(mistakes), 'mistake')} with what is there, nothing was written"
        raise ImportRefused(what, code="does-not-fit", hint="choose another folder with --to")
    begun: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in new.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("xb") as file:
                begun.append(folder / name)
                file.write(data)
    except OSError as fault:
        for path in begun:
            path.unlink(missing_ok=True)
        raise ImportRefused(
            f"cannot be written: {fault.strerror}", code="not-written", place=str(fault.filename or folder)
        ) from None


def _show(folder: Path, made: Imported) -> None:
    if made.missing:
        table(["channel", "where", "not carried over", "why"], [list(each) for each in made.missing])
    if made.remarks:
        table(["channel", "where", "to look at"], [list(each) for each in made.remarks])
    for name in made.files:
        click.echo(f"{folder / name}")
    count = len(made.missing)
    click.echo(
        f"{counted(len(made.channels), 'channel')}; "
        + (f"{counted(count, 'thing')} not carried over" if count else "everything carried over")
        + f"; look at it, then: hl7bridge check {folder}"
    )

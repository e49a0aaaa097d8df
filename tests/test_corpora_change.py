"""Real messages of other systems, as files into a folder, and every command that looks back at what became of them.

The folder is named by HL7BRIDGE_CORPORA, or is `../shared/corpora` beside the checkout; it is no part of the project, so without it
these tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hl7bridge.cli.main import main
from hl7bridge.hl7.batch import read_file
from hl7bridge.hl7.identifiers import patient_identifiers
from hl7bridge.hl7.message import Message
from hl7bridge.places import STORE
from hl7bridge.store.base import BODY_BITS, MessageQuery, MessageRow
from hl7bridge.store.sqlite.reader import SqliteReader
from tests.stored import Stored

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("HL7BRIDGE_CORPORA", ROOT.parent / "shared" / "corpora"))
SOURCES = sorted(FOLDER.glob("*/*.hl7")) if FOLDER.is_dir() else []
pytestmark = pytest.mark.skipif(
    not SOURCES, reason="no corpora: set HL7BRIDGE_CORPORA to a folder with the folders of .hl7 files"
)

#: How often every message comes: in a file of its own, and then in files of all.
TIMES = 3
FILES = {
    "everything.yaml": (
        "channel: everything\n"
        "source: {file: {folder: in, every: 1s, settled: 1s}, duplicates: off}\n"
        "map:\n"
        "  - MSH-5: HUB\n"
        "    PID-8: {from: PID-8.1, table: sex, else: keep}\n"
        "  - {each: OBX, where: {OBX-2: NM, OBX-6.1: mg}, remove: run}\n"
        "send_to: [hospital]\n"
    ),
    "destinations/hospital.yaml": (
        "destination: hospital\nprocessing: any\nsend: {mllp: {host: 127.0.0.1, port: 6701}, connections: 8}\n"
    ),
    "tables/sex.csv": "code,name\nM,male\nF,female\n",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """All messages of the corpora have gone their way, in a file each, and then in files of all."""
    stored = Stored(tmp_path_factory.mktemp("corpora"), FILES)
    stored.world.hospital(6701)
    stored.world.start()
    inbox = stored.data / "in"
    inbox.mkdir(exist_ok=True)
    for number, path in enumerate(SOURCES):
        shutil.copyfile(path, inbox / f"{number:04}.hl7")
    assert stored.world.run(3600, lambda: not any(path.is_file() for path in inbox.iterdir()))
    assert stored.world.run(3600, lambda: not list((inbox / "working").glob("[!.]*")))
    for number in range(1, TIMES):
        whole = inbox / f"all{number}.hl7"
        whole.write_bytes(b"".join(path.read_bytes().rstrip() + b"\r" for path in SOURCES))
        assert stored.world.run(3600, lambda: not whole.exists())  # noqa: B023 - it is called at once
        assert stored.world.run(3600, lambda: not list((inbox / "working").glob("[!.]*")))
    assert stored.world.run(3600, stored.world.settled)
    stored.world.run(300)  # feeds are watched in the pauses
    yield stored
    stored.leaves()


def rows(site: Stored) -> list[MessageRow]:
    site.leaves()
    reader = SqliteReader(site.data / STORE)
    try:
        return reader.messages(MessageQuery(), None, 5000, newest_first=False)
    finally:
        reader.close()


def test_every_file_is_taken_and_every_message_is_kept(site: Stored) -> None:
    done, failed = (list((site.data / "in" / name).glob("[!.]*.hl7")) for name in ("done", "failed"))
    assert len(done) + len(failed) == len(SOURCES) + TIMES - 1
    assert len(done) > 0.9 * len(SOURCES)
    assert len(list((site.data / "in" / "failed").glob("*.reason"))) == len(failed)
    assert len(rows(site)) == TIMES * len(SOURCES)


def test_what_comes_again_shows_nothing_new(site: Stored) -> None:
    site.leaves()
    reader = SqliteReader(site.data / STORE)
    try:
        again = rows(site)[len(SOURCES)].id
        types = reader.seen("everything", "")
        seen = [row for each in types for row in reader.seen("everything", each.place)]
        watched = reader.watched()
    finally:
        reader.close()
    assert watched is not None
    assert watched.through > 2 * len(SOURCES)
    assert len(types) > 20
    assert len(seen) > 10_000, "the first time nearly everything is new"
    assert [row for row in [*types, *seen] if row.message_id >= again] == []


def test_the_day_is_accounted_for(site: Stored) -> None:
    result = site.command("reconcile", "hospital", "--day", "2026-11-21", "--zone", "UTC", "--json")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert not [each for each in told if each.get("finding") == "sums"], result.stdout[:2000]


def test_no_difference_where_nothing_was_changed_and_each_where_something_was(
    site: Stored, tmp_path: Path
) -> None:
    shutil.copytree(site.folder / "config", tmp_path / "new")
    asked = ("compare", site.folder / "config", tmp_path / "new", "--since", "2000-01-01", "--processes", "1")
    result = site.command(*asked)
    assert result.exit_code == 0, result.output
    text = (tmp_path / "new" / "everything.yaml").read_text()
    (tmp_path / "new" / "everything.yaml").write_text(text.replace("MSH-5: HUB", "MSH-5: OTHER"))
    result = site.command(*asked)
    assert result.exit_code == 1
    (line,) = [each for each in result.stdout.splitlines() if "MSH-5" in each]
    sent = sum(row.outcomes[0][1] == "RECEIVED" for row in rows(site) if row.outcomes)
    assert f"{sent:,}".replace(",", "") in line.replace(",", "")


def test_each_message_can_be_asked_why(site: Stored) -> None:
    for row in rows(site)[:: TIMES * len(SOURCES) // 40]:
        result = site.command("why", row.id)
        assert result.exit_code == 0, result.output
        assert f"message {row.id}" in result.stdout


def test_a_sample_holds_no_family_name_of_them(site: Stored, tmp_path: Path) -> None:
    result = site.command(
        "sample", tmp_path / "safe.hl7", "--since", "2000-01-01", "--limit", len(SOURCES), "--json"
    )
    assert result.exit_code in (0, 1), result.output
    safe = (tmp_path / "safe.hl7").read_bytes().decode("utf-8", "replace").casefold()
    assert len(read_file(safe.upper().encode()).messages) > len(SOURCES) // 4
    names, numbers = planted(site)
    assert len(names) > 50
    words = set(re.findall(r"[a-z]{4,}", safe))
    assert not names & words
    assert not [number for number in numbers if re.search(rf"(?<!\d){number}(?!\d)", safe)]


def planted(site: Stored) -> tuple[set[str], set[str]]:
    """Family names of patients that are no words of systems, and their numbers."""
    site.leaves()
    names: set[str] = set()
    systems = {"test", "patient", "unknown", "female", "other"}
    numbers: set[str] = set()
    reader = SqliteReader(site.data / STORE)
    try:
        for row in rows(site):
            message = Message(reader.body(row.id << BODY_BITS))
            systems |= set(
                re.findall(
                    r"[a-z]{4,}", b"|".join(message.header.split()).decode("utf-8", "replace").casefold()
                )
            )
            for segment in message.all(b"PID"):
                family = segment.field(5).split(b"^")[0].split(b"&")[0]
                names |= set(re.findall(r"[a-z]{5,}", family.decode("utf-8", "replace").casefold()))
            for id_ in patient_identifiers(message):
                if re.fullmatch(rb"\d{7,}", id_.id):
                    numbers.add(id_.id.decode())
    finally:
        reader.close()
    return names - systems, numbers


def test_a_replay_is_previewed_before_anything_moves(site: Stored) -> None:
    result = site.command("replay", "--channel", "everything", "--since", "2000-01-01", "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    assert len(rows(site)) == TIMES * len(SOURCES)


def test_what_would_happen_to_each_is_told(site: Stored, tmp_path: Path) -> None:
    whole = tmp_path / "all.hl7"
    whole.write_bytes(b"".join(path.read_bytes().rstrip() + b"\r" for path in SOURCES))
    result = CliRunner().invoke(main, ["trace", str(whole), str(site.folder / "config"), "--json"])
    assert result.exit_code == 0, result.output[-2000:]
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(told) == len(SOURCES)

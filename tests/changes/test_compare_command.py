"""`hl7bridge compare` on a store with traffic: it finds what a change does, accepts what is expected, and shows no patient unasked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hl7bridge.changes import traffic, versions
from hl7bridge.cli.main import main
from hl7bridge.engine.operating.replay import Order, Replaying
from hl7bridge.places import STORE
from hl7bridge.store.sqlite.reader import SqliteReader
from hl7bridge.testing.world import write_folder
from tests.stored import Stored, last_audited

CHANNEL = "channel: pharmacy\nsource: {mllp: {port: 2575}}\naccept: [RDE^O11]\nsend_to: [rush]\n"
FILES = {
    "pharmacy.yaml": CHANNEL,
    "destinations/rush.yaml": "destination: rush\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n",
}
COUNT = 30


def message(number: int) -> bytes:
    return (
        f"MSH|^~\\&|RX|S{number % 3}|HUB|HUB|20261121120000||RDE^O11^RDE_O11|{number}|P|2.5.1\r"
        f"PID|1||{number}^^^RETAIL^PI||SECRETNAME^JANE\rORC|NW|{number}\rRXE|1|55^metformin^NDC|1||TAB\r"
    ).encode()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of an engine that received some messages, one of them twice."""
    folder = tmp_path_factory.mktemp("compare")
    stored = Stored(folder, FILES)
    stored.world.hospital(6701)
    stored.world.start()
    stored.receives(*map(message, range(COUNT)), message(0))
    stored.leaves()
    return stored.data


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """The folder as the engine had it, to be changed."""
    return write_folder(tmp_path / "new", FILES)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The same, left alone."""
    return write_folder(tmp_path / "old", FILES)


Compare = Callable[..., Result]


@pytest.fixture
def compare(data: Path) -> Compare:
    def run(*arguments: object) -> Result:
        words = ["compare", *map(str, arguments), "--data", str(data), "--since", "2000-01-01"]
        return CliRunner().invoke(main, words)

    return run


def differences(result: Result) -> dict[str, Any]:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_folder_and_its_copy_decide_alike(compare: Compare, old: Path, new: Path) -> None:
    result = compare(old, new)
    assert result.exit_code == 0
    said = f"{COUNT} messages (without 1 repetition): 0 decided otherwise, {COUNT} as before; 0 differences\n"
    assert result.stdout == said


def test_copies_of_replays_are_no_traffic_but_what_a_person_edited_or_a_file_held_is(tmp_path: Path) -> None:
    stored = Stored(tmp_path, FILES)
    stored.world.hospital(6701)
    engine = stored.world.start()
    stored.receives(message(0), message(1))
    file = tmp_path / "messages.hl7"
    file.write_bytes(message(7))
    for steps in (
        Replaying(engine).from_store(Order("nurse")),
        Replaying(engine).from_store(Order("nurse", as_it_was=True)),
        Replaying(engine).from_store(Order("nurse", message=1, edited=message(0).replace(b"TAB", b"CAP"))),
        Replaying(engine).from_file("pharmacy", str(file), Order("nurse")),
    ):
        for _ in steps:
            stored.world.run(1)
    folder = stored.world.folder
    result = stored.command("compare", folder, folder, "--since", "2000-01-01", "--json")
    found = json.loads(result.stdout)
    assert found["messages"] == 4
    assert found["left_out"] == {"repetitions": 0, "copies_of_replays": 4}
    result = stored.command("compare", folder, folder, "--since", "2000-01-01", "--limit", 3)
    assert result.stdout.startswith("3 messages (without 4 copies of replays): ")
    result = stored.command("compare", folder, folder, "--since", "2000-01-01", "--source", "programme")
    assert "nothing was compared" in result.stdout


def test_a_broken_mapping_is_caught_and_counted_and_shows_no_patient(
    compare: Compare, old: Path, new: Path
) -> None:
    (new / "pharmacy.yaml").write_text(
        CHANNEL.replace(
            "send_to", "filter: {MSH-4: {not: S1}}\nmap: [{RXE-2.1: '99'}, {remove: PID-5}]\nsend_to"
        )
    )
    result = compare(old, new)
    assert result.exit_code == 1
    assert "10 of 30" in result.stdout
    assert "newly filtered by pharmacy.yaml:4:10" in result.stdout
    assert "RXE-2.1 changed (Give Code: Identifier)" in result.stdout
    assert "20 of 30" in result.stdout
    assert "SECRETNAME" not in result.output
    found = differences(compare(old, new, "--json"))
    assert [found[key] for key in ("messages", "differing", "unread", "unexpected")] == [30, 30, 0, 3]
    first = found["differences"][0]
    assert first["of"] == "channel pharmacy"
    assert len(first["examples"]) == 5
    assert "before" not in first


def test_values_are_shown_when_asked_for_and_told_to_the_trail(
    compare: Compare, old: Path, new: Path, data: Path
) -> None:
    (new / "pharmacy.yaml").write_text(CHANNEL.replace("send_to", "map: [{remove: PID-5}]\nsend_to"))
    result = compare(old, new, "--values")
    assert "SECRETNAME^JANE" in result.stdout
    last = last_audited(data)
    assert last.kind == "view"
    assert "compare --values" in repr(last)


def test_what_is_accepted_is_expected_from_then_on(compare: Compare, old: Path, new: Path) -> None:
    (new / "pharmacy.yaml").write_text(CHANNEL.replace("send_to", "map: [{RXE-2.1: '99'}]\nsend_to"))
    assert compare(old, new, "--accept").exit_code == 0
    accepted = json.loads((new / "compare.accepted").read_text())["accepted"]
    assert [(each["of"], each["what"]) for each in accepted] == [("to rush", "RXE-2.1 changed")]
    again = compare(old, new)
    assert again.exit_code == 0
    assert "1 difference, 1 of them accepted" in again.stdout
    (new / "pharmacy.yaml").write_text(
        CHANNEL.replace("send_to", "map: [{RXE-2.1: '99', MSH-3: X}]\nsend_to")
    )
    result = compare(old, new)
    assert result.exit_code == 1
    assert "MSH-3 changed" in result.stdout
    assert "RXE-2.1" not in result.stdout
    (old / "pharmacy.yaml").write_text(CHANNEL.replace("send_to", "map: [{RXE-2.1: '98'}]\nsend_to"))
    result = compare(old, new)
    assert (result.exit_code, "RXE-2.1 changed" in result.stdout) == (1, True), "it is of another change"
    (new / "compare.accepted").write_text("{\n<<<<<<< ours\n")
    assert "compare.accepted:2" in compare(old, new).output


def test_the_page_needs_nothing_beside_it(compare: Compare, old: Path, new: Path, tmp_path: Path) -> None:
    (new / "pharmacy.yaml").write_text(CHANNEL.replace("send_to", "map: [{RXE-2.1: '<99>'}]\nsend_to"))
    compare(old, new, "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "RXE-2.1 changed" in page
    assert "30 of 30" in page
    assert "SECRETNAME" not in page
    assert "http" not in page
    compare(old, new, "--html", tmp_path / "page.html", "--values")
    assert "&lt;99&gt;" in (tmp_path / "page.html").read_text()


def test_old_may_be_a_revision_in_git_or_what_the_engine_uses(
    compare: Compare,
    new: Path,
    data: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", "-C", str(new.parent), *who, *arguments], check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "as it was")
    (new / "pharmacy.yaml").write_text(CHANNEL.replace("send_to", "map: [{MSH-3: X}]\nsend_to"))
    reader = SqliteReader(data / STORE)
    version = reader.versions()[-1][0]
    reader.close()
    git(
        "tag",
        "empty",
        subprocess.run(  # a tree without a file
            ["git", "-C", str(new.parent), "hash-object", "-t", "tree", "-w", "--stdin"],
            input=b"",
            capture_output=True,
            check=True,
        )
        .stdout.decode()
        .strip(),
    )
    for name in ("HEAD", "running", version[:12]):
        result = compare(name, new)
        assert (result.exit_code, "MSH-3 changed" in result.stdout) == (1, True), result.output
    assert "holds no configuration" in compare("empty:", new).output
    missing = compare("HEAD~7", new)
    assert missing.exit_code == 2
    assert f"no revision in git (asked {new.parent}, of {new}; " in missing.output


def committed(folder: Path) -> Path:
    """A folder with all that lies in it as a repository."""
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "as it was"]):
        subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)
    return folder


def test_a_revision_is_one_of_the_current_folder_too_and_the_error_says_where_it_was_looked_for(
    compare: Compare, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    write_folder(project / "channels", FILES)
    committed(project)
    monkeypatch.chdir(project / "channels")
    result = compare("HEAD", new)
    assert (result.exit_code, f"HEAD is read from git in {project}/channels" in result.stderr) == (0, True)
    monkeypatch.chdir(project)
    result = compare("HEAD:channels", new)
    assert (result.exit_code, f"HEAD:channels is read from git in {project}\n" in result.stderr) == (0, True)
    missing = compare("HEAD~7", new)
    assert missing.exit_code == 2
    assert f"{new} is in no repository; asked {project})" in missing.output
    monkeypatch.chdir(project / "channels")
    assert f"asked {project}, of {project}/channels)" in compare("HEAD~7", new).output


def test_a_whole_repository_is_no_configuration_and_the_folder_is_named(
    compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    write_folder(project / "site/channels", {**FILES, "tables/codes.csv": "code,name\nA,B\n"})
    mapped = CHANNEL.replace("send_to", "map: [{PID-8: {from: PID-8, table: codes}}]\nsend_to")
    (project / "site/channels/pharmacy.yaml").write_text(mapped)
    (project / "compose.yaml").write_text("services: {}\n")
    committed(project)
    monkeypatch.chdir(project)
    result = compare("HEAD", "HEAD")
    assert result.exit_code == 2
    assert f"HEAD is all of {project}" in result.output
    assert "HEAD:site" in result.output
    assert compare("HEAD:site/channels", "HEAD:site/channels").exit_code == 0
    (project / "site/channels/pharmacy.yaml").write_text(mapped.replace("PID-8", "PID-888"))
    committed(project)
    result = compare("HEAD", "HEAD")
    assert (result.exit_code, "pharmacy.yaml:4:8" in result.output) == (1, True), result.output


def test_mistakes_are_named_and_nothing_is_compared(compare: Compare, old: Path, new: Path) -> None:
    (new / "pharmacy.yaml").write_text(CHANNEL.replace("send_to: [rush]", "send_to: [rsh]"))
    result = compare(old, new)
    assert result.exit_code == 1
    assert "pharmacy.yaml:4:11" in result.output
    assert "Traceback" not in result.output


def test_a_file_that_cannot_be_written_is_named(compare: Compare, old: Path, new: Path) -> None:
    for option in (("--html",), ("--accept", "--accepted")):
        result = compare(old, new, *option, new / "nowhere" / "file")
        assert (result.exit_code, "nowhere/file: this file cannot be written" in result.output) == (2, True)


def test_a_revision_of_which_git_lacks_a_file_is_not_compared(
    compare: Compare, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"ls-tree": b"pharmacy.yaml\0", "cat-file": None}
    monkeypatch.setattr(versions, "_git", lambda folder, verb, *rest: answers[verb])
    result = compare("HEAD", new)
    assert (result.exit_code, "pharmacy.yaml of HEAD cannot be read" in result.output) == (2, True)


def test_secrets_are_those_of_here_and_none_is_needed(
    compare: Compare, old: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = new / "destinations/rush.yaml"
    host = "host: '${env.RUSH_HOST}', port: '${env.RUSH_PORT}'"
    destination.write_text(destination.read_text().replace("host: 127.0.0.1, port: 6701", host))
    assert compare(old, new).exit_code == 0
    for folder, text in ((old, "HERE"), (new, "${env.SITE}")):
        (folder / "pharmacy.yaml").write_text(
            CHANNEL.replace("send_to", f"map: [{{MSH-6: '{text}'}}]\nsend_to")
        )
    monkeypatch.setenv("SITE", "HERE")
    assert compare(old, new).exit_code == 0
    monkeypatch.setenv("SITE", "THERE")
    assert "MSH-6 changed" in compare(old, new).stdout


def test_no_message_is_no_proof(compare: Compare, old: Path, new: Path) -> None:
    result = compare(old, new, "--until", "2000-01-02")
    assert result.exit_code == 1
    assert "nothing was compared" in result.output


def test_a_name_that_is_none_is_no_proof(compare: Compare, old: Path, new: Path) -> None:
    (new / "pharmacy.yaml").write_text(CHANNEL.replace("send_to", "filter: {MSH-4: S9}\nsend_to"))
    for option, name in (("--channel", "pharmcy"), ("--source", "pharmcy")):
        result = compare(old, new, option, name)
        assert result.exit_code == 2, result.output
        assert "did you mean pharmacy?" in result.output


def test_of_one_channel_nothing_is_said_of_others(compare: Compare, old: Path, new: Path) -> None:
    other = "channel: other\nsource: pharmacy\nsend_to: [rush]\n"
    (old / "other.yaml").write_text(other)
    (new / "other.yaml").write_text(other.replace("send_to", "programme: {}\nsend_to"))
    (new / "pharmacy.yaml").write_text(CHANNEL.replace("send_to", "map: [{MSH-3: X}]\nsend_to"))
    found = differences(compare(old, new, "--json", "--channel", "pharmacy"))
    assert [(each["of"], each["what"]) for each in found["differences"]] == [("to rush", "MSH-3 changed")]
    found = differences(compare(old, new, "--json", "--channel", "other"))
    assert {each["of"] for each in found["differences"]} == {"the programme"}


def test_other_processes_find_the_same(
    compare: Compare, old: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (new / "pharmacy.yaml").write_text(CHANNEL.replace("send_to", "filter: {MSH-4: {not: S1}}\nsend_to"))
    alone = differences(compare(old, new, "--json", "--processes", 1))
    monkeypatch.setattr(traffic, "FEW", 3)
    monkeypatch.setattr(traffic, "PORTION", 4)
    assert differences(compare(old, new, "--json", "--processes", 2)) == alone

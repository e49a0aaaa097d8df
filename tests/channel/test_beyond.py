"""Paths that go beyond every version of HL7 are said by check, and stop nothing; what is or may be valid is never doubted."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hl7bridge.channel.loading.folder import load, look_over
from hl7bridge.channel.written.beyond import SiteField
from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.cli.main import main
from hl7bridge.hl7.access import repetitions
from hl7bridge.hl7.batch import read_file
from hl7bridge.hl7.delimiters import Unreadable
from hl7bridge.hl7.message import HEADERS, Message

ROOT = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("HL7BRIDGE_CORPORA", ROOT.parent / "shared" / "corpora"))
CHANNEL = "channel: c\nsource: {mllp: {port: 2575}}\n%s\nsend_to: [out]\n"
OUT = b"destination: out\nsend: {mllp: {host: h, port: 1}}\n"


def folder(body: str, engine: str = "") -> dict[str, bytes]:
    files = {"c.yaml": (CHANNEL % body).encode(), "out.yaml": OUT}
    return files | ({"hl7bridge.yaml": engine.encode()} if engine else {})


def doubts(path: str, engine: str = "") -> list[str]:
    """What check says of a path as a condition."""
    mistakes, warnings, _ = look_over(folder(f"filter: {{'{path}': present}}", engine))
    assert mistakes == []
    return [each.what for each in warnings]


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("RXE-49", "RXE has 45 fields in HL7 2.1 to 2.8.2, RXE-49 is none"),
        ("PID-41.1", "PID has 40 fields in HL7 2.1 to 2.8.2, PID-41 is none"),
        ("PID-3.13", "PID-3 has 12 components at most in HL7 2.1 to 2.8.2, PID-3.13 is none"),
        ("/PID-3(1)-13", "PID-3 has 12 components at most in HL7 2.1 to 2.8.2, PID-3.13 is none"),
        ("MSH-10.2", "MSH-10 is a single value in HL7 2.1 to 2.8.2, MSH-10.2 is none of it"),
        ("PID-5.1.6", "PID-5.1 has 5 subcomponents at most in HL7 2.1 to 2.8.2, PID-5.1.6 is none"),
        ("PID-5.2.2", "PID-5.2 is a single value in HL7 2.1 to 2.8.2, PID-5.2.2 is none of it"),
        ("PID-3[15=MR].1", "PID-3 has 12 components at most in HL7 2.1 to 2.8.2, PID-3.15 is none"),
        ("PID-3[4.4=MR].1", "PID-3.4 has 3 subcomponents at most in HL7 2.1 to 2.8.2, PID-3.4.4 is none"),
        ("OBX[3.30=X]-5", "OBX-3 has 22 components at most in HL7 2.1 to 2.8.2, OBX-3.30 is none"),
        ("OBX-32.2", "OBX has 30 fields in HL7 2.1 to 2.8.2, OBX-32 is none"),
        ("OBX[33=X]-5", "OBX has 30 fields in HL7 2.1 to 2.8.2, OBX-33 is none"),
        ("PID-7[2]", "PID-7 does not repeat in HL7 2.1 to 2.8.2"),
        ("PID-7(1)", "PID-7 does not repeat in HL7 2.1 to 2.8.2"),
        ("MSH-9[*]", "MSH-9 does not repeat in HL7 2.1 to 2.8.2"),
        ("ARV-6[*]", "ARV-6 does not repeat in HL7 2.1 to 2.8.2"),
    ],
)
def test_what_no_version_has_is_said(path: str, what: str) -> None:
    assert doubts(path) == [what]


def test_the_message_before_new_is_looked_at_too() -> None:
    [warning] = look_over(folder("map: [{new: ORU^R01}, {PID-2: {from: original.RXE-49}}]"))[1]
    assert warning.what == "RXE has 45 fields in HL7 2.1 to 2.8.2, RXE-49 is none"


@pytest.mark.parametrize(
    "path",
    [
        "RXE-45", "PID-40.18", "PID-3.12", "PID-7.2", "PID-8.1", "PID-8.22", "PID-8.1.1", "PID-2[1]", "PID-2(0)", "PID-7[1=X]",
        "OBX-5.99.7", "OBX-5[9]", "OBX[3.1=8302-2]-5", "ZPH-70.9.9", "ZPH-1[*]", "QPD-12.3", "QPD-3[*].2", "RDT-30[4]", "RX1-9.4",
        "ORC-7.2.2", "ORC-7[*]", "DG1-7.2", "MFE-4.7", "OMC-9.3", "PID-3[4.2=A,5=MR].1", "ORO-4", "OH1-3.4", "PID-13[*].18",
        "URD-6", "TQ1-6.2", "OBX-4.4", "PID-3[4='a, 99=b'].1",
    ],
)  # fmt: skip
def test_what_some_version_has_or_leaves_open_is_not(path: str) -> None:
    assert doubts(path.replace("'", "''")) == []


def test_it_stands_at_its_place_and_says_what_to_do() -> None:
    body = "map:\n  - PID-2: {from: PID-3.13}\n  - remove: [NTE, PID-44]\n  - PID-5.1: x ${PID-77}"
    found = [str(each) for each in look_over(folder(body))[1]]
    assert found == [
        "c.yaml:4:19: PID-3 has 12 components at most in HL7 2.1 to 2.8.2, PID-3.13 is none; "
        "if your feed does have it, write site_fields: [PID-3.13] in hl7bridge.yaml",
        "c.yaml:5:19: PID has 40 fields in HL7 2.1 to 2.8.2, PID-44 is none; "
        "if your feed does have it, write site_fields: [PID-44] in hl7bridge.yaml",
        "c.yaml:6:14: PID has 40 fields in HL7 2.1 to 2.8.2, PID-77 is none; "
        "if your feed does have it, write site_fields: [PID-77] in hl7bridge.yaml",
    ]


def test_paths_in_names_of_files_addresses_and_agreements_are_looked_at_too() -> None:
    send = "send: {file: {folder: x, name: '${id}-${PID-66}'}}"
    files = folder("") | {
        "out.yaml": f"destination: out\n{send}\n".encode(),
        "b.yaml": b"destination: b\nsend: {smtp: {host: h, from: a@b.org, to: '${PV1-99}@b.org'}}\nallow: {only: [PID-55]}\n",
        "hl7bridge.yaml": b"withhold: {fields: [DG1-50]}\n",
    }
    mistakes, warnings, _ = look_over(files)
    assert mistakes == []
    assert sorted(re.findall(r"\S+(?= is none)", each.what)[0] for each in warnings) == [
        "DG1-50",
        "PID-55",
        "PID-66",
        "PV1-99",
    ]


def test_a_segment_that_hl7_lacks_is_a_mistake_in_names_of_files_and_addresses_too() -> None:
    files = folder("") | {
        "out.yaml": b"destination: out\nsend: {file: {folder: x, name: '${id}-${PDI-3}'}}\n",
        "b.yaml": b"destination: b\nsend: {smtp: {host: h, from: a@b.org, to: '${XYZ-9}@b.org'}}\n",
    }
    assert [str(each) for each in look_over(files)[0]] == [
        "b.yaml:2:43: HL7 has no segment XYZ; site segments begin with Z",
        "out.yaml:2:32: HL7 has no segment PDI; did you mean PID?",
    ]


def test_fields_to_look_into_are_named_at_their_own_place() -> None:
    files = folder("", "withhold:\n  fields:\n    - DG1-3\n    - PDI-5\n    - PV2-99\n")
    mistakes, warnings, _ = look_over(files)
    assert [(each.line, each.column) for each in mistakes] == [(4, 7)]
    assert [(each.line, each.column) for each in warnings] == [(5, 7)]


@pytest.mark.parametrize(
    ("said", "path", "silent"),
    [
        ("PID-41", "PID-41", True),
        ("PID-41", "PID-41.7.3", True),
        ("PID-41", "PID-42", False),
        ("PID.041", "PID-41", True),
        ("PID", "PID-77[2].3", True),
        ("OBR-20.2", "OBR-20.2.5", True),
        ("OBR-20.2", "OBR-20.3", False),
        ("OBR-20.2", "OBR-20[2]", False),
        ("PV1-60.2", "PV1-60", True),
        ("PID-2", "PID-2[3].1", True),
        ("PID-3.13", "PID-3[13=X].1", True),
    ],
)
def test_a_site_says_what_it_means(said: str, path: str, silent: bool) -> None:
    assert doubts(path) != []
    assert (doubts(path, f"site_fields: [{said}]\n") == []) is silent


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (
            "'PID-2[*]'",
            "is not a field; a segment, a field or a component, without brackets: PID-41, OBR-20.2",
        ),
        ("PDI-41", "HL7 has no segment PDI; did you mean PID?"),
        ("ZPH-1", "ZPH is the site's own; whatever it holds is free, so leave it out"),
        ("PID-100", "is not a field"),
        ("XYZ-1", "HL7 has no segment XYZ; site segments begin with Z and need no entry"),
        ("pid-41", "is not a field; segment names are capitals: PID-41"),
    ],
)
def test_what_site_fields_cannot_mean(said: str, what: str) -> None:
    [mistake] = look_over(folder("", f"site_fields: [{said}]\n"))[0]
    assert what in str(mistake)
    assert not re.search(SiteField().schema()["pattern"], said.strip("'")), "an editor marks it too"


def test_the_engine_loads_what_is_only_doubted() -> None:
    assert load(folder("filter: {PID-41: present}")).channels


def test_a_warning_leaves_the_exit_status_alone(tmp_path: Path) -> None:
    for name, data in folder("filter: {PID-41: present}").items():
        (tmp_path / name).write_bytes(data)
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 0
    first, last = done.stdout.splitlines()
    assert first.startswith(
        f"{tmp_path}/c.yaml:3:10: warning: PID has 40 fields in HL7 2.1 to 2.8.2, PID-41 is none"
    )
    assert last.endswith("no mistakes, 1 warning")
    [row] = CliRunner().invoke(main, ["check", "--json", str(tmp_path)]).stdout.splitlines()
    assert json.loads(row)["severity"] == "warning"
    (tmp_path / "c.yaml").write_bytes(folder("filter: {PID-41: present, PDI-1: x}")["c.yaml"])
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 1
    assert "1 mistake, 1 warning" in done.output


def occurring(raw: bytes) -> Iterator[str]:
    """Every place of a message that holds something, as a path."""
    message = Message(raw)
    for segment in message.segments:
        name = segment.name.decode("latin-1")
        if name not in SEGMENTS:
            continue
        for number in range(1, segment.count + 1):
            if segment.name in HEADERS and number < 3:
                continue
            found = repetitions(segment.field(number), segment.delimiters)
            for at, repetition in enumerate(found, 1):
                if repetition:
                    yield f"{name}-{number}[{at}]"
                    count = repetition.count(segment.delimiters.component) + 1
                    yield from (f"{name}-{number}.{each}" for each in range(2, count + 1))


def test_what_the_projects_own_messages_hold_is_not_doubted() -> None:
    own = [file for file in sorted((ROOT / "samples").rglob("*.hl7")) if "bad" not in file.parts]
    paths = {path for file in own for raw in read_file(file.read_bytes()).messages for path in occurring(raw)}
    assert len(paths) > 300
    body = "filter:\n" + "".join(f"  '{path}': present\n" for path in sorted(paths))
    mistakes, warnings, _ = look_over(folder(body))
    assert mistakes == []
    assert [each.what for each in warnings] == []


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora of real messages are not beside this checkout")
def test_real_messages_do_go_beyond_the_standard_so_none_of_it_is_a_mistake() -> None:
    with (CORPORA / "index.tsv").open(newline="") as index:
        files = [CORPORA / row["path"] for row in csv.DictReader(index, delimiter="\t")]
    paths: set[str] = set()
    for file in files:
        try:
            paths |= set(occurring(file.read_bytes()))
        except Unreadable:
            continue
    mistakes, warnings, _ = look_over(
        folder("filter:\n" + "".join(f"  '{path}': present\n" for path in sorted(paths)))
    )
    assert mistakes == []
    assert any("does not repeat" in each.what for each in warnings)
    assert any("fields" in each.what for each in warnings)
    assert any("single value" in each.what for each in warnings)
    assert len(warnings) < len(paths) / 20

"""Files as they come: several channels in one, older exports, what is no export, and what the command does with them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from hl7bridge.channel.loading.folder import load
from hl7bridge.cli.main import main
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7.path import Path as Place
from hl7bridge.mirth.channel import import_export
from hl7bridge.mirth.export import ExportError
from tests.mirth.samples import (
    MESSAGE,
    builder,
    channel,
    decided,
    destination,
    files_of,
    imported,
    listener,
    reader,
    rule,
    script,
    sent,
    writer,
)

#: A channel as exports before 3.5 have it: steps and rules are maps of their settings.
OLD = """<channel version="3.4.2"><id>1</id><name>Old Feed</name><enabled>true</enabled>
  <sourceConnector version="3.4.2"><metaDataId>0</metaDataId><name>sourceConnector</name>{source}
    <transformer version="3.4.2"><steps>
      <step><sequenceNumber>0</sequenceNumber><name>sex</name><script>channelMap.put(...)</script><type>Mapper</type>
        <data class="map">
          <entry><string>Variable</string><string>sex</string></entry>
          <entry><string>Mapping</string><string>msg['PID']['PID.8']['PID.8.1'].toString()</string></entry>
          <entry><string>DefaultValue</string><string></string></entry>
          <entry><string>RegularExpressions</string><list/></entry>
          <entry><string>isGlobal</string><string>channel</string></entry>
        </data></step>
      <step><sequenceNumber>1</sequenceNumber><name>sex too</name><script>msg[...]</script><type>Message Builder</type>
        <data class="map">
          <entry><string>Variable</string><string>msg['PID']['PID.2']['PID.2.1']</string></entry>
          <entry><string>Mapping</string><string>$('sex')</string></entry>
          <entry><string>DefaultValue</string><string></string></entry>
          <entry><string>RegularExpressions</string>
            <list><string-array><string>'F'</string><string>'W'</string></string-array></list></entry>
        </data></step>
      <step><sequenceNumber>2</sequenceNumber><name>free</name><script>logger.info('x');</script><type>JavaScript</type>
        <data class="map"><entry><string>Script</string><string>logger.info('x');</string></entry></data></step>
    </steps><inboundDataType>HL7V2</inboundDataType><outboundDataType>HL7V2</outboundDataType></transformer>
    <filter version="3.4.2"><rules>
      <rule><sequenceNumber>0</sequenceNumber><name>r</name><type>Rule Builder</type><script/><operator>NONE</operator>
        <data class="map">
          <entry><string>Field</string><string>msg['MSH']['MSH.9']['MSH.9.1'].toString()</string></entry>
          <entry><string>Equals</string><string>1</string></entry>
          <entry><string>Values</string><list><string>'ADT'</string></list></entry>
        </data></rule>
    </rules></filter><transportName>TCP Listener</transportName><enabled>true</enabled></sourceConnector>
  <destinationConnectors>{destination}</destinationConnectors></channel>"""


def test_exports_before_35_are_read() -> None:
    made = imported(OLD.format(source=listener(), destination=destination()))
    assert [each.what for each in made.missing] == ["step 2 'free' (JavaScript)"]
    assert Place.parse("PID-2.1").get(sent(made)["lakeview"]) == b"W"
    assert decided(made, MESSAGE.replace("ADT^A08", "ORU^R01")).status == "FILTERED"


def two(around: str) -> str:
    return around.format(channel(name="One") + channel(name="One", properties=listener("6662")))


@pytest.mark.parametrize(
    "around",
    [
        "<list>{}</list>",
        '<channelGroup version="4.5.2"><id>g</id><name>Group</name><channels>{}</channels></channelGroup>',
        "<serverConfiguration><channelGroups><channelGroup><channels><channel><id>1</id></channel></channels></channelGroup>"
        "</channelGroups><channels>{}</channels><codeTemplateLibraries/></serverConfiguration>",
    ],
)
def test_several_channels_of_one_file_become_several_files(around: str) -> None:
    made = imported(two(around))
    assert list(made.files) == ["one.yaml", "one-2.yaml"]
    configuration = load(files_of(made))
    assert sorted(configuration.destinations) == ["lakeview", "one-2-lakeview"]
    assert {each.mllp.port for each in configuration.sources.values()} == {6661, 6662}


def test_two_channels_on_one_port_do_not_both_listen_there() -> None:
    made = imported("<list>" + channel(name="One") + channel(name="Two") + "</list>")
    assert [(each.channel, each.what) for each in made.missing] == [("two", "the port 6661")]
    # The port in its place is nobody's, and open to nobody else.
    assert load(files_of(made)).sources["two"].mllp.host == "127.0.0.1"


def test_channels_that_are_handed_messages_as_they_came_share_the_source() -> None:
    router = channel(
        name="Router", destinations=writer(1) + writer(2) + destination(number=3, name="Archive")
    )
    lab = reader("Lab", 1, rules=rule("msg['MSH']['MSH.9']['MSH.9.1'].toString()", "EQUALS", "'ORU'"))
    adt = reader("Adt", 2, steps=builder("msg['MSH']['MSH.5']['MSH.5.1']", "'EPIC'"))
    made = imported(f"<list>{router}{lab}{adt}</list>")
    assert not made.missing
    assert sorted(made.files) == ["adt.yaml", "lab.yaml", "router.yaml", "sources/router.yaml"]
    leaving = sent(made)
    assert sorted(leaving) == ["adt-lakeview", "archive"]
    assert Place.parse("MSH-5").get(leaving["adt-lakeview"]) == b"EPIC"
    assert leaving["archive"].emit() == MESSAGE.encode()


def test_a_channel_that_only_hands_on_becomes_a_source() -> None:
    made = imported(f"<list>{channel(name='Router', destinations=writer(1))}{reader('Lab', 1)}</list>")
    assert sorted(made.files) == ["lab.yaml", "sources/router.yaml"]
    assert list(sent(made)) == ["lakeview"]


def test_scripts_of_a_channel_that_becomes_a_source_are_not_forgotten() -> None:
    scripts = "<postprocessingScript>tell(message);</postprocessingScript>"
    made = imported(
        f"<list>{channel(name='Router', destinations=writer(1), scripts=scripts)}{reader('Lab', 1)}</list>"
    )
    assert [each.what for each in made.missing] == ["postprocessingScript"]
    assert "#     tell(message);" in made.files["sources/router.yaml"]


@pytest.mark.parametrize(
    "router",
    [
        channel(
            name="Router",
            destinations=writer(1, rules=rule("msg['PID']['PID.8']['PID.8.1'].toString()", "EXISTS")),
        ),
        channel(name="Router", destinations=writer(1, template="${other}")),
        channel(script("x()"), name="Router", destinations=writer(1)),
        channel(name="Router", destinations=writer(1) + writer(1)),
    ],
)
def test_what_changes_a_message_on_its_way_to_another_channel_is_not_carried_over(router: str) -> None:
    made = imported(f"<list>{router}{reader('Lab', 1)}</list>")
    lost = [(each.channel, each.what) for each in made.missing]
    assert ("lab", "Channel Reader") in lost
    assert ("router", "Channel Writer") in lost
    assert {each.status for each in load(files_of(made)).destinations.values()} == {"shadow"}


@pytest.mark.parametrize("name", ["HL7Bridge", "Programme"])
def test_a_channel_has_no_name_that_means_something_else_here(name: str) -> None:
    made = imported(channel(name=name, destinations=destination(name=name)))
    assert list(made.files) == [f"{name.lower()}-2.yaml"]
    assert list(sent(made)) == [name.lower()]


OFF = "<exportData><metadata><enabled>false</enabled></metadata></exportData></channel>"
PAUSED = "<properties><initialState>PAUSED</initialState></properties></channel>"


@pytest.mark.parametrize(
    ("state", "said"), [(OFF, "it was switched off in Mirth"), (PAUSED, "it was deployed paused in Mirth")]
)
def test_what_did_not_run_in_mirth_sends_nothing_here(state: str, said: str) -> None:
    off = channel(name="Old", properties=listener("6662")).replace("</channel>", state)
    made = imported(off)
    assert f"{said}; its destinations are in shadow" in [each.what for each in made.remarks]
    assert [each.refused for each in decided(made).outgoing] == ["shadow: kept, nothing is sent"]
    # Nor where it listens to a source that runs.
    lab = reader("Lab", 1).replace("</channel>", state)
    both = imported(
        f"<list>{channel(name='Router', destinations=writer(1) + destination(number=2))}{lab}</list>"
    )
    assert {each.destination: each.refused for each in decided(both).outgoing} == {
        "lakeview": None,
        "lab-lakeview": "shadow: kept, nothing is sent",
    }


def test_an_old_channel_that_is_switched_off_takes_no_port_or_name_from_the_one_that_runs() -> None:
    old = channel(name="Old Feed").replace("</channel>", OFF)
    made = imported(f"<list>{old}{channel(name='Feed')}</list>")
    assert [(each.channel, each.what) for each in made.missing] == [("old-feed", "the port 6661")]
    configuration = load(files_of(made))
    assert configuration.sources["feed"].mllp.port == 6661
    assert configuration.destinations["lakeview"].status == "live"
    assert configuration.destinations["old-feed-lakeview"].status == "shadow"


def test_what_runs_in_mirth_runs_here() -> None:
    for state in (OFF.replace("false", "true"), PAUSED.replace("PAUSED", "STARTED")):
        assert list(sent(imported(channel().replace("</channel>", state)))) == ["lakeview"]


def test_what_a_server_has_besides_channels_is_listed() -> None:
    templates = "<codeTemplateLibraries><codeTemplate><id>1</id></codeTemplate></codeTemplateLibraries>"
    made = imported(f"<serverConfiguration><channels>{channel()}</channels>{templates}</serverConfiguration>")
    assert [each.what for each in made.missing] == ["1 of its code templates"]


BAD = [
    ("<channel><a></channel>", "bad.xml:1:15: this is not XML: mismatched tag"),
    ("no xml at all", "bad.xml:1:1: this is not XML"),
    ("", "this is not XML: no element found"),
    ("\n<project><a/></project>", "bad.xml:2:1: this is no Mirth channel: the file holds <project>"),
    ("<list><channel><id>1</id></channel></list>", "bad.xml:1:1: the channel has no sourceConnector"),
    (
        '<channel version="2.2.1"><sourceConnector/></channel>',
        "bad.xml:1:1: this channel is of Mirth 2.2.1 (import it into Mirth 3",
    ),
    (
        '<!DOCTYPE c [<!ENTITY a SYSTEM "file:///etc/passwd">]><channel>&a;</channel>',
        "declares a document type",
    ),
    ("<a>" * 300 + "</a>" * 300, "more elements than any export has"),
    (
        channel(scripts='<preprocessingScript msync-fileref="Pre.js"/>'),
        "the scripts of this channel lie in files beside it, such as Pre.js (export it from Mirth itself",
    ),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_what_is_no_export_is_a_mistake_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.xml").write_text(text)
    result = run(tmp_path, "bad.xml")
    assert result.exit_code == 2
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "bad.xml"]


@given(st.binary(max_size=200) | st.text("<>/abc&;!?[]= '\"", max_size=60).map(str.encode))
def test_no_bytes_are_more_than_a_mistake(data: bytes) -> None:
    with pytest.raises(HL7BridgeError):
        import_export(data)


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hl7bridge.mirth.export.MOST_BYTES", 10)
    with pytest.raises(ExportError, match="larger than"):
        import_export(channel().encode())


def run(folder: Path, *arguments: str) -> Result:
    before = Path.cwd()
    os.chdir(folder)
    try:
        return CliRunner().invoke(main, ["import", "mirth", *arguments])
    finally:
        os.chdir(before)


def test_a_channel_that_is_carried_over_whole_ends_with_status_0_and_passes_check(tmp_path: Path) -> None:
    (tmp_path / "export.xml").write_text(channel(builder("msg['MSH']['MSH.5']['MSH.5.1']", "'EPIC'")))
    result = run(tmp_path, "export.xml")
    assert result.exit_code == 0, result.output
    assert "1 channel; everything carried over" in result.output
    checked = CliRunner().invoke(main, ["check", str(tmp_path / "adt-feed")])
    assert checked.exit_code == 0, checked.output
    assert yaml.safe_load((tmp_path / "adt-feed" / "adt-feed.yaml").read_text())["map"] == [
        {"MSH-5.1": "EPIC"}
    ]


def test_what_is_not_carried_over_ends_with_status_1_and_is_listed(tmp_path: Path) -> None:
    (tmp_path / "export.xml").write_text(channel(script("x()", "the name")))
    result = run(tmp_path, "export.xml", "--to", "mine")
    assert result.exit_code == 1
    assert "step 0 'the name' (JavaScript)" in result.output
    assert "1 thing not carried over" in result.output
    assert (tmp_path / "mine" / "adt-feed.yaml").is_file()


def test_json_has_one_object_for_each(tmp_path: Path) -> None:
    (tmp_path / "export.xml").write_text(
        channel(script("x()"), rules=rule("msg['PV1']['PV1.2']['PV1.2.1'].toString()", "EXISTS"))
    )
    result = run(tmp_path, "export.xml", "--json")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert found[0] == {
        "kind": "not carried over",
        "channel": "adt-feed",
        "where": "source transformer",
        "what": "step 0 'a script' (JavaScript)",
        "why": "it is JavaScript",
    }
    assert {each["kind"] for each in found[1:]} == {"remark"}


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "export.xml").write_text(
        "<list>" + channel(name="One") + channel(name="Two", properties=listener("7")) + "</list>"
    )
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "two.yaml").write_text("mine")
    result = run(tmp_path, "export.xml", "--to", "there")
    assert result.exit_code == 2
    assert "there/two.yaml: there is such a file already" in result.stderr
    assert [each.name for each in (tmp_path / "there").iterdir()] == ["two.yaml"]
    assert (tmp_path / "there" / "two.yaml").read_text() == "mine"


def test_what_cannot_be_written_whole_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "export.xml").write_text(
        "<list>" + channel(name="One") + channel(name="Two", properties=listener("7")) + "</list>"
    )
    opened = Path.open

    def full(path: Path, mode: str = "r", *more: Any, **given: Any) -> Any:
        if path.name == "two.yaml" and mode == "xb":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return opened(path, mode, *more, **given)

    monkeypatch.setattr(Path, "open", full)
    result = run(tmp_path, "export.xml", "--to", "there")
    assert (result.exit_code, "two.yaml: cannot be written: No space left" in result.stderr) == (2, True)
    assert list((tmp_path / "there").rglob("*.yaml")) == []
    monkeypatch.undo()
    assert run(tmp_path, "export.xml", "--to", "there").exit_code == 0, "it can be asked for again"


def test_a_second_export_goes_beside_the_first(tmp_path: Path) -> None:
    (tmp_path / "one.xml").write_text(channel(name="One"))
    (tmp_path / "two.xml").write_text(channel(name="Two", properties=listener("6662")))
    (tmp_path / "three.xml").write_text(channel(name="Three"))
    assert run(tmp_path, "one.xml", "--to", "both").exit_code == 0
    assert run(tmp_path, "two.xml", "--to", "both").exit_code == 0
    checked = CliRunner().invoke(main, ["check", str(tmp_path / "both")])
    assert "2 channels, 2 sources, 2 destinations" in checked.output
    # The port of the first is taken: nothing is written that does not load.
    refused = run(tmp_path, "three.xml", "--to", "both")
    assert refused.exit_code == 2
    assert "port 6661 is taken" in refused.stderr
    assert "1 mistake with what is there, nothing was written" in refused.stderr
    assert not (tmp_path / "both" / "three.yaml").exists()


def test_a_zone_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "export.xml").write_text(channel())
    result = run(tmp_path, "export.xml", "--zone", "Mars/Base")
    assert result.exit_code == 2
    assert "'Mars/Base' is no time zone" in result.stderr

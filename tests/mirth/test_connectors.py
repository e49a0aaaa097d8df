"""Connectors: listeners, senders, queues, answers and file writers as ours, and settings that hl7bridge does not have."""

from __future__ import annotations

import pytest

from hl7bridge.channel.loading.folder import load
from hl7bridge.channel.settings import DestinationSettings, WatchedFolder
from hl7bridge.mirth.channel import Imported
from tests.mirth.samples import (
    FRAMES,
    QUEUE,
    builder,
    channel,
    destination,
    files_of,
    imported,
    listener,
    mapper,
    reader,
    script,
    sender,
    tag,
    writer,
)

SCRIPT = "var x = msg['PID'];\n// a remark: with colon\n\tif (x) {\n\t\tx = '#';\n\t}"


def files(more: str = "", folder: str = "/out", pattern: str = "${message.messageId}.hl7") -> str:
    """A file writer."""
    return (
        '<properties class="com.mirth.connect.connectors.file.FileDispatcherProperties"><scheme>FILE</scheme>'
        f"<host>{folder}</host>{tag('outputPattern', pattern)}"
        f"<outputAppend>false</outputAppend><template>${{message.encodedData}}</template>{more}</properties>"
    )


#: Settings of connectors that hl7bridge does not have.
CONNECTORS = [
    (channel(properties=listener("${port}")), "the port ${port}"),
    (channel(properties=listener(answer="d1")), "the answer is d1"),
    (
        channel(properties=listener(answer="Auto-generate (Destinations completed)")),
        "the answer is Auto-generate (Destinations completed)",
    ),
    (channel(properties=listener(answer="None")), "no answer"),
    (channel(properties=listener(more="<serverMode>false</serverMode>")), "mode client"),
    (
        channel(
            properties=listener(more="<charsetEncoding>MARTIAN</charsetEncoding>"),
            destinations=destination(properties=sender(more=tag("charsetEncoding", "MARTIAN"))),
        ),
        "the character set MARTIAN",
    ),
    (
        channel(properties=listener(more="<respondOnNewConnection>1</respondOnNewConnection>")),
        "a new connection",
    ),
    (
        channel(
            properties='<properties class="com.mirth.connect.connectors.file.FileReceiverProperties"/>',
            transport="File Reader",
        ),
        "File Reader: its folder",
    ),
    (channel(destinations=destination(properties=sender("${host}"))), "the address ${host}"),
    (channel(destinations=destination(properties=sender(port=""))), "the port (none)"),
    (
        channel(destinations=destination(properties=sender(more=tag("ignoreResponse", "true")))),
        "answers are ignored",
    ),
    (channel(destinations=destination(types=("HL7V2", "XML"))), "HL7V2 to XML"),
    (channel(destinations=destination(template="<a/>")), "the outbound template"),
    (channel(destinations=destination(responses=script("x"))), "response step 0"),
    (
        channel(scripts="<preprocessingScript>return message.trim();</preprocessingScript>"),
        "preprocessingScript",
    ),
    (channel(destinations=" "), "its destinations"),
]


EXTENSION = "<pluginProperties><org.example.{0}>{1}</org.example.{0}></pluginProperties>"
TLS = EXTENSION.format("SSLListenerProperties", "<tlsMode>server</tlsMode>")
AUTH = EXTENSION.format("NoneAuthProperties", "<authType>NONE</authType>")
ACKS = (
    "<inboundProperties><responseGenerationProperties><successfulACKCode>CA</successfulACKCode>"
    "<errorACKCode>AE</errorACKCode></responseGenerationProperties></inboundProperties></transformer>"
)
STRICT = (
    "<inboundProperties><serializationProperties><useStrictParser>true</useStrictParser></serializationProperties>"
    "</inboundProperties></transformer>"
)
CONNECTORS += [
    (channel(properties=listener().replace("<pluginProperties/>", TLS)), "SSLListenerProperties"),
    (channel().replace("</transformer>", ACKS, 1), "successfulACKCode is CA"),
    (channel().replace("</transformer>", STRICT, 1), "useStrictParser is true"),
]


BINARY = tag("dataTypeBinary", "true")


def read(
    settings: str = "", folder: str = "/srv/in", polls: str = "<pollingType>INTERVAL</pollingType>"
) -> str:
    """A file reader as Mirth writes one, with some settings of its own."""
    plain = {
        "scheme": "FILE",
        "host": folder,
        "fileFilter": "*",
        "regex": "false",
        "directoryRecursion": "false",
        "ignoreDot": "true",
        "afterProcessingAction": "MOVE",
        "moveToDirectory": "/srv/old",
        "checkFileAge": "true",
        "fileAge": "1000",
        "fileSizeMinimum": "0",
        "ignoreFileSizeMaximum": "true",
        "sortBy": "date",
        "binary": "false",
        "charsetEncoding": "DEFAULT_ENCODING",
    }
    rest = "".join(tag(name, text) for name, text in plain.items() if f"<{name}>" not in settings)
    return (
        '<properties class="com.mirth.connect.connectors.file.FileReceiverProperties"><pluginProperties/>'
        f"<pollConnectorProperties>{polls}<pollingFrequency>5000</pollingFrequency></pollConnectorProperties>"
        "<sourceConnectorProperties><responseVariable>None</responseVariable></sourceConnectorProperties>"
        f"{settings}{rest}</properties>"
    )


CONNECTORS += [
    (channel(properties=read(**each), transport="File Reader"), f"File Reader: {what}")
    for each, what in (
        ({"settings": tag("scheme", "SFTP")}, "reads over SFTP"),
        ({"folder": "C:\\in"}, "its folder C:\\in"),
        ({"folder": "${inbox}"}, "its folder ${inbox}"),
        ({"settings": tag("regex", "true")}, "names of files by a regular expression"),
        ({"settings": tag("fileFilter", "*.hl7,*.txt")}, "the names of files *.hl7,*.txt"),
        ({"settings": tag("directoryRecursion", "true")}, "folders below its folder"),
        ({"settings": tag("binary", "true")}, "binary files"),
        ({"settings": tag("fileSizeMinimum", "10")}, "files by their size"),
        ({"settings": tag("ignoreFileSizeMaximum", "false")}, "files by their size"),
        ({"polls": "<pollingType>CRON</pollingType>"}, "it looks for files by cron"),
    )
]


def test_a_file_reader_is_a_watched_folder() -> None:
    settings = tag("fileFilter", "*.hl7") + tag("charsetEncoding", "ISO-8859-1") + tag("fileAge", "2500")
    sends = destination(properties=sender(more=tag("charsetEncoding", "ISO-8859-1")))
    made = imported(channel(properties=read(settings), transport="File Reader", destinations=sends))
    assert made.missing == []
    source = load(files_of(made)).sources["adt-feed"]
    assert source.mllp is None
    assert source.file == WatchedFolder("/srv/in", "*.hl7", 5.0, 2.5, None, encoding="ISO-8859-1")
    assert load(files_of(made)).destinations["lakeview"].status == "live"
    said = [each.what for each in made.remarks]
    assert "files that were taken go to done/, and not to /srv/old" in said
    assert "a file of several messages is split" in said


@pytest.mark.parametrize(("action", "keep_s"), [("DELETE", 0.0), ("NONE", None)])
def test_what_becomes_of_files_afterwards_is_said(action: str, keep_s: float | None) -> None:
    made = imported(channel(properties=read(tag("afterProcessingAction", action)), transport="File Reader"))
    file = load(files_of(made)).sources["adt-feed"].file
    assert file is not None
    assert file.keep_s == keep_s
    assert any("done/" in each.what for each in made.remarks)


def inside(side: str, settings: str, export: str = "", **more: str) -> str:
    """A channel whose (first) transformer has these settings of its data type."""
    text = export or channel(**more)
    return text.replace("</transformer>", f"<{side}Properties>{settings}</{side}Properties></transformer>", 1)


def ends(with_: str, group: str = "deserialization") -> str:
    return f"<{group}Properties>{tag('segmentDelimiter', with_)}</{group}Properties>"


CONNECTORS += [
    (channel(properties=listener(more=FRAMES + BINARY)), "binary messages"),
    (channel(destinations=destination(properties=sender(more=BINARY))), "binary messages"),
    (channel(destinations=destination(properties=files("<binary>true</binary>"))), "binary messages"),
    (
        channel(destinations=inside("outbound", ends("\\n"), destination())),
        "segments that end in \\n",
    ),
    (inside("inbound", ends("~~", "serialization")), "segments that end in ~~"),
]


@pytest.mark.parametrize("usual", ["\\r", "", "\n", "\\r\\n|\\r|\\n"])
def test_usual_ends_of_segments_are_nothing_to_list(usual: str) -> None:
    assert not imported(inside("inbound", ends(usual, "serialization"))).missing
    if "|" not in usual:
        assert not imported(channel(destinations=inside("outbound", ends(usual), destination()))).missing


def test_batches_that_a_script_splits_are_not_carried_over() -> None:
    how = tag("splitType", "JavaScript") + tag("batchScript", "return reader.next();")
    split = f"<batchProperties>{how}</batchProperties>"
    taken = listener().replace("</responseVariable>", "</responseVariable><processBatch>true</processBatch>")
    made = imported(inside("inbound", split, properties=taken))
    assert [each.what for each in made.missing] == ["batches split by JavaScript"]
    assert "#     return reader.next();" in made.files["adt-feed.yaml"]
    assert load(files_of(made)).destinations["lakeview"].status == "shadow"
    # Where batches are not processed the script never runs.
    assert not imported(inside("inbound", split)).missing
    # And a channel that splits them does not hand on what it got.
    router = inside("inbound", split, properties=taken, name="Router", destinations=writer(1))
    lost = [each.what for each in imported(f"<list>{router}{reader('Lab', 1)}</list>").missing]
    assert lost == ["batches split by JavaScript", "Channel Writer", "Channel Reader"]


@pytest.mark.parametrize(
    ("kind", "settings", "quotes"),
    [
        ("js.JavaScriptReceiver", tag("script", SCRIPT), True),
        ("jdbc.DatabaseReceiver", tag("select", SCRIPT) + tag("useScript", "true"), True),
        ("jdbc.DatabaseReceiver", tag("update", SCRIPT) + tag("useScript", "true"), True),
        ("jdbc.DatabaseReceiver", tag("select", "SELECT 1 -- a remark: with colon"), False),
    ],
)
def test_a_script_of_a_source_is_quoted(kind: str, settings: str, quotes: bool) -> None:
    properties = f'<properties class="com.mirth.connect.connectors.{kind}Properties">{settings}</properties>'
    made = imported(channel(properties=properties, transport="A Reader"))
    assert ("a remark: with colon" in made.files["adt-feed.yaml"]) is quotes


@pytest.mark.parametrize("scripted", [True, False])
def test_a_script_that_writes_to_a_database_is_quoted_and_may_set_variables(scripted: bool) -> None:
    query = tag("query", "$c('mrn', 'x');") + tag("useScript", str(scripted).lower())
    properties = f'<properties class="com.mirth.connect.connectors.jdbc.DatabaseDispatcherProperties">{query}</properties>'
    mrn = mapper("mrn", "msg['PID']['PID.3'][0]['PID.3.1'].toString()")
    use = builder("msg['PID']['PID.2']['PID.2.1']", "$('mrn')")
    both = destination(properties=properties, name="Base", transport="Database Writer") + destination(
        use, number=2
    )
    made = imported(channel(mrn, destinations=both))
    assert [each.what for each in made.missing][1:] == ["step 0 'a builder' (Message Builder)"] * scripted
    assert ("#     $c('mrn', 'x');" in made.files["adt-feed.yaml"]) is scripted


def test_an_extension_that_is_switched_off_is_nothing_to_list() -> None:
    assert not imported(channel(properties=listener().replace("<pluginProperties/>", AUTH))).missing


@pytest.mark.parametrize(("export", "what"), CONNECTORS)
def test_settings_that_are_not_carried_over_are_listed(export: str, what: str) -> None:
    made = imported(export)
    assert [what in each.what for each in made.missing] == [True], made.missing
    [text] = made.files.values()
    assert what in text or what == "its destinations"


def test_a_script_of_a_destination_is_quoted() -> None:
    kind = "com.mirth.connect.connectors.js.JavaScriptDispatcherProperties"
    properties = f'<properties class="{kind}">{tag("script", SCRIPT)}</properties>'
    made = imported(channel(destinations=destination(properties=properties, transport="JavaScript Writer")))
    assert "// a remark: with colon" in made.files["adt-feed.yaml"]
    assert load(files_of(made)).destinations["lakeview"].status == "shadow"


def test_queue_settings_are_carried_over() -> None:
    queue = QUEUE.replace("<threadCount>1", "<threadCount>4")
    settings = load(
        files_of(imported(channel(destinations=destination(properties=sender(queue=queue)))))
    ).destinations["lakeview"]
    assert (settings.retry.first_s, settings.retry.most_s, settings.retry.factor) == (10.0, 10.0, 1.0)
    assert (settings.connections, settings.timeout_s, settings.order) == (4, 5.0, "patient")
    assert settings.answers["AE"] == "fail"
    assert settings.mllp is not None
    assert (settings.mllp.host, settings.mllp.port) == ("ehr.lakeview.example", 6704)


def sending(queue: str, more: str = "", checks: str = "") -> tuple[Imported, DestinationSettings]:
    """A TCP sender with these settings, and `checks` of its answers."""
    inside = f"<inboundProperties><responseValidationProperties>{checks}</responseValidationProperties></inboundProperties>"
    export = destination(properties=sender(queue=queue, more=more)).replace(
        "</responseTransformer>", f"{inside}</responseTransformer>"
    )
    made = imported(channel(destinations=export))
    return made, load(files_of(made)).destinations["lakeview"]


def test_an_answer_that_never_came_is_an_error_where_mirth_does_not_queue_it() -> None:
    assert sending(QUEUE)[1].answers["none"] == "retry"
    assert sending(QUEUE, tag("queueOnResponseTimeout", "true"))[1].answers["none"] == "retry"
    made, settings = sending(QUEUE, tag("queueOnResponseTimeout", "false"))
    assert settings.answers["none"] == "fail"
    assert not made.missing


def test_what_mirth_tries_again_before_it_is_an_error_is_tried_again() -> None:
    tries = QUEUE.replace("<retryCount>0", "<retryCount>3")
    alone = tries.replace("<queueEnabled>true", "<queueEnabled>false")
    _, settings = sending(alone, tag("queueOnResponseTimeout", "false"))
    assert set(settings.answers.values()) == {"retry"}
    assert settings.retry.give_up_s == 30.0
    # Behind a queue ours cannot tell its tries of a refusal from those of silence.
    made, settings = sending(tries)
    assert settings.answers["AE"] == "fail"
    assert any("sent a refused message 3 times again" in each.what for each in made.remarks)


@pytest.mark.parametrize("long", ["2147483647", "9999999999", "999999999999999"])
def test_times_of_weeks_are_times(long: str) -> None:
    queue = QUEUE.replace("10000", long).replace("<queueEnabled>true", "<queueEnabled>false")
    queue = queue.replace("<retryCount>0", "<retryCount>99999")
    send = destination(properties=sender(queue=queue).replace(">5000<", f">{long}<"))
    heard = listener(more=f"{FRAMES}<receiveTimeout>{long}</receiveTimeout>")
    assert not imported(channel(properties=heard, destinations=send)).missing


CODES = "<successfulACKCode>{}</successfulACKCode><errorACKCode>{}</errorACKCode><rejectedACKCode>{}</rejectedACKCode>"


@pytest.mark.parametrize(
    ("checks", "lost"),
    [
        ("", []),
        (CODES.format("AA,CA", "AE,CE", "AR,CR"), []),
        (CODES.format("AA", "AE", "AR"), []),
        (CODES.format("AA,AE", "CE", "AR"), ["AE is accepted"]),
        (CODES.format("AA", "${codes}", ""), ["AE is accepted", "AR is accepted"]),
        (CODES.format("CA", "AE, AA", "AR"), ["AA is an error"]),
    ],
)
def test_what_an_answer_means_otherwise_is_listed(checks: str, lost: list[str]) -> None:
    made, settings = sending(QUEUE, checks=checks)
    assert [each.what for each in made.missing] == lost
    assert settings.status == ("shadow" if lost else "live")


def test_an_answer_that_mirth_takes_for_any_message_is_to_be_looked_at() -> None:
    made, _ = sending(QUEUE, checks="<validateMessageControlId>false</validateMessageControlId>")
    assert any("MSA-2" in each.what for each in made.remarks)
    made, _ = sending(QUEUE, checks="<validateMessageControlId>true</validateMessageControlId>")
    assert not any("MSA-2" in each.what for each in made.remarks)


def test_answers_that_mirth_does_not_read_are_to_be_looked_at() -> None:
    unread = QUEUE.replace("<validateResponse>true", "<validateResponse>false")
    for queue, types in ((unread, "HL7V2"), (QUEUE, "RAW")):
        export = destination(properties=sender(queue=queue))
        before, _, after = export.partition("<responseTransformer")
        after = after.replace("<inboundDataType>HL7V2", f"<inboundDataType>{types}", 1)
        made = imported(channel(destinations=f"{before}<responseTransformer{after}"))
        assert any("took every answer as accepted" in each.what for each in made.remarks)


def hears(charset: str) -> str:
    """A listener in that character set."""
    return listener(more=f"{FRAMES}<serverMode>true</serverMode>{tag('charsetEncoding', charset)}")


@pytest.mark.parametrize(
    ("heard", "sends", "lost"),
    [
        ("ISO-8859-1", "ISO-8859-1", False),
        ("ISO-8859-1", "iso8859-1", False),
        ("UTF-8", "DEFAULT_ENCODING", False),
        ("ISO-8859-1", "DEFAULT_ENCODING", True),
        ("ISO-8859-1", "UTF-8", True),
        ("UTF-8", "windows-1252", True),
    ],
)
def test_a_destination_that_sends_in_another_character_set_sends_nothing(
    heard: str, sends: str, lost: bool
) -> None:
    """Mirth reads a message in the one and writes it in the other; here it leaves in the bytes in which it came."""
    for properties in (sender(more=tag("charsetEncoding", sends)), files(tag("charsetEncoding", sends))):
        made = imported(channel(properties=hears(heard), destinations=destination(properties=properties)))
        assert ["the character set" in each.what for each in made.missing] == [True] * lost
        assert load(files_of(made)).destinations["lakeview"].status == ("shadow" if lost else "live")


def test_a_channel_that_is_handed_messages_hears_the_character_set_of_their_listener() -> None:
    router = channel(name="Router", properties=hears("ISO-8859-1"), destinations=writer(1))
    made = imported(f"<list>{router}{reader('Lab', 1)}</list>")
    assert [(each.channel, each.what) for each in made.missing] == [("lab", "the character set utf-8")]


def test_a_file_writer_becomes_files() -> None:
    source = mapper("mrn", "msg['PID']['PID.3'][0]['PID.3.1'].toString()")
    made = imported(
        channel(source, destinations=destination(properties=files(pattern="${mrn}_${message.messageId}.hl7")))
    )
    assert not made.missing
    target = load(files_of(made)).destinations["lakeview"].file
    assert target is not None
    assert (target.folder, target.name) == ("/out", "${PID-3.1}_${id}.hl7")


@pytest.mark.parametrize("folder", ["C:\\out", "d:/out", "\\\\server\\out", "//server/out"])
def test_a_folder_of_another_system_is_not_carried_over(folder: str) -> None:
    made = imported(channel(destinations=destination(properties=files(folder=folder))))
    assert [each.what for each in made.missing] == [f"its folder {folder}"]
    target = load(files_of(made)).destinations["lakeview"].file
    assert target is not None
    assert target.folder == "not-carried-over/lakeview"


def test_a_file_name_has_the_value_that_the_variable_had() -> None:
    """The name is made of what leaves: a field that the destination changes, or that a new message lacks, is not the variable."""
    mrn = mapper("mrn", "msg['PID']['PID.3'][0]['PID.3.1'].toString()")
    named = files(pattern="${mrn}_${message.messageId}.hl7")
    change = builder("msg['PID']['PID.3'][0]['PID.3.1']", "'7'")
    template = "MSH|^~\\&|OURS||||||ADT^A08||P|2.3\nPID|1||8"
    for made in (
        imported(channel(mrn, destinations=destination(change, properties=named))),
        imported(channel(mrn, destinations=destination(properties=named, template=template))),
    ):
        assert [each.what for each in made.missing] == ["the file name ${mrn}_${message.messageId}.hl7"]
        assert "${" not in made.missing[0].why
    # One that the destination's own steps read is as good as one of the source.
    made = imported(channel(destinations=destination(change + mrn, properties=named)))
    assert not made.missing

"""Where messages come from and go to: TCP listeners and senders, file readers and writers.

What is neither gets something in its place with which the configuration loads and nothing is sent. Raises nothing.
"""

from __future__ import annotations

import re
from typing import Final

from hl7bridge.channel.written.filename import template_fault
from hl7bridge.hl7 import charset
from hl7bridge.mirth.elements import Connector
from hl7bridge.mirth.export import Element
from hl7bridge.mirth.filereader import WINDOWS, not_read, put_folder
from hl7bridge.mirth.lines import Block
from hl7bridge.mirth.notes import Notes
from hl7bridge.mirth.queue import milliseconds, queue_of, span
from hl7bridge.mirth.script import NotRead, Variable
from hl7bridge.mirth.values import Known

#: A host that never resolves (RFC 6761), where the export does not say one for certain.
NOWHERE: Final = "not-carried-over.invalid"
_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]+")
_DEFAULT_CHARSETS: Final = ("", "DEFAULT_ENCODING", "UTF-8")
#: Answers of Mirth that wait for no destination.
_AT_ONCE: Final = ("Auto-generate (Before processing)", "Auto-generate (After source transformer)")
_FIRST_FREE_PORT: Final = 12575
_MESSAGE: Final = ("${message.encodedData}",)


class Ports:
    """Ports that listeners of one import take."""

    def __init__(self) -> None:
        self.taken: set[int] = set()

    def free(self) -> int:
        """One that stands where the export names none."""
        port = _FIRST_FREE_PORT
        while port in self.taken:
            port += 1
        self.taken.add(port)
        return port


def source_of(source: Connector, notes: Notes, ports: Ports, zone: str | None) -> Block:
    """The channel's source."""
    made, listener = Block(), Block()
    if source.kind == "TcpReceiverProperties":
        _listener(source.properties, listener, notes, ports)
    elif hears(source):
        _reader(source.properties, listener, notes)
        made.put("file", listener)
        listener = Block()
    else:
        fault = not_read(source.properties) if source.kind == "FileReceiverProperties" else None
        what = source.transport or source.kind
        why = "hl7bridge listens for MLLP and watches folders; a port that nobody knows stands here, on this machine alone"
        listener.say(notes.lose("source", what if fault is None else f"{what}: {fault}", why))
        for script in source.scripts:
            listener.say(_indented(script))
        listener.put("port", str(ports.free()))
        listener.put("host", "127.0.0.1")
    if not listener.empty:
        made.put("mllp", listener)
    if zone is not None:
        made.put("zone", zone)
    return made


def hears(source: Connector) -> bool:
    """Whether messages come by it, and nothing has to stand in its place."""
    if source.kind == "FileReceiverProperties":
        return not_read(source.properties) is None
    return source.kind == "TcpReceiverProperties"


def _reader(properties: Element, block: Block, notes: Notes) -> None:
    put_folder(properties, block, notes)
    _encoding(properties, block, notes)
    _plugins(properties, block, notes, "source")


def _listener(properties: Element, listener: Block, notes: Notes, ports: Ports) -> None:
    port = properties.text("listenerConnectorProperties", "port").strip()
    host = properties.text("listenerConnectorProperties", "host").strip()
    if not properties.flag("serverMode", default=True):
        why = "hl7bridge listens, and does not call a sender; a port stands in its place"
        listener.say(notes.lose("source", "mode client", why))
        port, host = "", "127.0.0.1"
    elif _port(port) is None:
        listener.say(
            notes.lose("source", f"the port {port or '(none)'}", "it is no number; another stands here")
        )
        host = "127.0.0.1"
    elif int(port) in ports.taken:
        why = "another channel of this export listens there; let one source serve both channels"
        listener.say(notes.lose("source", f"the port {port}", why))
        port, host = "", "127.0.0.1"
    number = _port(port)
    if number is None:
        number = ports.free()
    ports.taken.add(number)
    listener.put("port", str(number))
    if host not in ("", "0.0.0.0"):
        if _HOST.fullmatch(host):
            listener.put("host", host)
        else:
            listener.say(
                notes.lose("source", f"the address {host}", "it is no host name; all addresses listen")
            )
    _frames(properties, listener, notes, "source", ours="commit_bytes")
    _encoding(properties, listener, notes)
    connections = properties.text("maxConnections").strip()
    if re.fullmatch(r"[1-9][0-9]{0,5}", connections):
        listener.put("max_connections", connections)
    silence = milliseconds(properties.text("receiveTimeout"))
    if silence:
        listener.put("idle_after", span(silence))
    if properties.text("respondOnNewConnection").strip() not in ("", "0"):
        listener.say(notes.lose("source", "answers over a new connection", "they leave on the same one"))
    _plugins(properties, listener, notes, "source")
    _answers(properties, listener, notes)


def _encoding(properties: Element, block: Block, notes: Notes) -> None:
    encoding = properties.text("charsetEncoding").strip()
    if encoding in _DEFAULT_CHARSETS:
        return
    if charset.named(encoding) is not None:
        block.put("encoding", encoding)
    else:
        block.say(notes.lose("source", f"the character set {encoding}", "hl7bridge has none of this name"))


def _answers(properties: Element, listener: Block, notes: Notes) -> None:
    """What the sender hears."""
    answer = properties.text("sourceConnectorProperties", "responseVariable").strip()
    if answer in ("", "None"):
        listener.say(notes.lose("source", "no answer", "hl7bridge answers every message once it is kept"))
    elif answer not in _AT_ONCE:
        why = "hl7bridge answers by itself once a message is kept, before destinations have answered"
        listener.say(notes.lose("source", f"the answer is {answer}", why))


def _frames(properties: Element, block: Block, notes: Notes, where: str, ours: str | None) -> None:
    """The bytes of a message, and those around it."""
    _bytes(properties.flag("dataTypeBinary"), block, notes, where)
    mode = properties.child("transmissionModeProperties")
    if mode is None:
        return
    begin, end = (
        mode.text("startOfMessageBytes").strip().upper(),
        mode.text("endOfMessageBytes").strip().upper(),
    )
    if (begin, end) not in (("0B", "1C0D"), ("", "")) or (
        begin == "" and mode.text("pluginPointName") == "Basic"
    ):
        what = f"frames from {begin or 'nothing'} to {end or 'nothing'}"
        block.say(notes.lose(where, what, "hl7bridge frames messages as MLLP does, from 0B to 1C0D"))
    if mode.flag("useMLLPv2"):
        if ours is not None:
            block.put(ours, "true")
        else:
            block.say(
                notes.lose(where, "MLLP release 2", "hl7bridge waits for no commit bytes of a hospital")
            )


def _bytes(binary: bool, block: Block, notes: Notes, where: str) -> None:
    if binary:
        block.say(notes.lose(where, "binary messages", "what Mirth then has is base64, and no HL7"))


def _plugins(properties: Element, block: Block, notes: Notes, where: str) -> None:
    """Settings of extensions, such as TLS."""
    plugins = properties.child("pluginProperties")
    for each in plugins.children if plugins is not None else ():
        name = each.name.rpartition(".")[2]
        if each.flag("enabled", default="ssl" in name.lower() or "tls" in name.lower()):
            why = (
                "write tls: with certificate and key"
                if "ssl" in name.lower()
                else "it is an extension of Mirth"
            )
            block.say(notes.lose(where, name, why))


def spoken(properties: Element) -> str:
    """The character set of a connector, by one name for each."""
    text = properties.text("charsetEncoding").strip()
    if text in _DEFAULT_CHARSETS:
        return "utf-8"
    found = charset.named(text)
    return text if found is None else found.codec


def unusual(connector: Connector) -> list[tuple[str, str]]:
    """How a connector reads or writes HL7 v2 otherwise than is usual: what, and why that is not carried over."""
    found: list[tuple[str, str]] = []
    reading = connector.reading.child("serializationProperties") if connector.reading is not None else None
    if reading is not None and connector.inbound == "HL7V2":
        for name, usual in (
            ("handleRepetitions", True),
            ("handleSubcomponents", True),
            ("useStrictParser", False),
        ):
            if reading.flag(name, default=usual) is not usual:
                found.append((f"{name} is {str(not usual).lower()}", "paths then mean something else"))
        ends = reading.text("segmentDelimiter")
        if ends.strip() and not re.fullmatch(r"(?:\\[rn]|[\r\n|])+", ends):
            found.append((f"segments that end in {ends}", "hl7bridge reads line ends only"))
    writing = connector.writing.child("deserializationProperties") if connector.writing is not None else None
    # What a source writes is read by its destinations again.
    if writing is not None and connector.outbound == "HL7V2" and connector.id != 0:
        ends = writing.text("segmentDelimiter")
        if ends.strip() not in ("", "\\r"):
            found.append(
                (f"segments that end in {ends}", "hl7bridge ends them in a carriage return, as HL7 has it")
            )
    return found


def send_of(
    destination: Connector, name: str, heard: str | None, known: Known, notes: Notes
) -> tuple[Block, Block]:
    """`send`, and the keys beside it.

    `heard`: the character set in which messages come, if any do; `known`: what is certain behind the destination's steps.
    """
    where = f"destination {destination.id} '{destination.name}'"
    send, beside = Block(), Block()
    if destination.kind == "TcpDispatcherProperties":
        _sender(destination.properties, send, notes, where)
        queue_of(destination, send, beside, notes, where)
    elif destination.kind == "FileDispatcherProperties":
        _writer(destination.properties, name, send, known, notes, where)
    else:
        why = "hl7bridge sends over MLLP, into files and as documents; a folder stands in its place, and nothing is sent"
        send.say(notes.lose(where, destination.transport or destination.kind, why))
        for script in destination.scripts:
            send.say(_indented(script))
        send.put("file", {"folder": f"not-carried-over/{name}"})
        return send, beside
    speaks = spoken(destination.properties)
    if heard is not None and speaks != heard:
        why = f"a message leaves in that in which it came, {heard}"
        send.say(notes.lose(where, f"the character set {speaks}", why))
    return send, beside


def _sender(properties: Element, send: Block, notes: Notes, where: str) -> None:
    host, port = properties.text("remoteAddress").strip(), properties.text("remotePort").strip()
    if not _HOST.fullmatch(host):
        send.say(
            notes.lose(
                where,
                f"the address {host or '(none)'}",
                "it is no host name; one that does not exist stands here",
            )
        )
        host = NOWHERE
    if _port(port) is None:
        send.say(notes.lose(where, f"the port {port or '(none)'}", "it is no number; 1 stands here"))
        port = "1"
    send.put("mllp", {"host": host, "port": port})
    timeout = milliseconds(properties.text("responseTimeout"))
    if timeout:
        send.put("timeout", span(timeout))
    _frames(properties, send, notes, where, ours=None)
    _plugins(properties, send, notes, where)
    _template(properties, send, notes, where)
    if properties.flag("ignoreResponse"):
        send.say(
            notes.lose(
                where, "answers are ignored", "hl7bridge waits for an answer, and sends again without one"
            )
        )
    if properties.flag("serverMode"):
        send.say(notes.lose(where, "mode server", "hl7bridge calls the receiver, which must listen"))
    if properties.flag("overrideLocalBinding"):
        send.say(
            notes.lose(where, "a local address", "the system chooses the address that hl7bridge sends from")
        )


def _template(properties: Element, send: Block, notes: Notes, where: str) -> None:
    template = properties.text("template").strip()
    if template and template not in _MESSAGE:
        send.say(notes.lose(where, "its template", "what leaves is the message, and nothing around it"))
        send.say(_indented(template))


def _writer(properties: Element, name: str, send: Block, known: Known, notes: Notes, where: str) -> None:
    """A file writer on this machine, of one file for each message."""
    scheme = properties.text("scheme").strip()
    folder, pattern = properties.text("host").strip(), properties.text("outputPattern").strip()
    what = ""
    if scheme not in ("", "FILE"):
        what = f"writes over {scheme}"
    elif not folder or "${" in folder or WINDOWS.fullmatch(folder):
        what = f"its folder {folder}".strip()
    elif properties.flag("outputAppend", default=True):
        what = "appends to files"
    if what:
        send.say(
            notes.lose(
                where, what, "hl7bridge writes one file for each message, into a folder of this machine"
            )
        )
        send.put("file", {"folder": f"not-carried-over/{name}"})
        return
    target = {"folder": folder}
    try:
        target["name"] = _file_name(pattern, known)
    except NotRead as why:
        send.say(notes.lose(where, f"the file name {pattern}", str(why)))
    send.put("file", target)
    _bytes(properties.flag("binary"), send, notes, where)
    _template(properties, send, notes, where)


def _file_name(pattern: str, known: Known) -> str:
    """Our template of a file's name, which is made of what leaves. Raises `NotRead`."""

    def put(match: re.Match[str]) -> str:
        name = match[1]
        if name in ("message.messageId", "UUID", "COUNT"):
            return "${id}"
        value = known.find(Variable("any", name))
        if value.plain is None or value.plain.several:
            raise NotRead(f"the variable {name} is more than one value of a field")
        if known.template and value.plain.root == "msg":
            raise NotRead(f"the variable {name} was read from the message before the new one")
        return "${" + value.plain.path() + "}"

    made = re.sub(r"\$\{([^{}]*)\}", put, pattern)
    fault = template_fault(made)
    if fault is not None:
        raise NotRead(f"{fault[0]} ({fault[1]})")
    return made


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.strip().splitlines())


def _port(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= 65535 else None

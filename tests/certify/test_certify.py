"""`hl7bridge certify` against endpoints on real sockets, good ones and bad ones; and the other way round."""

from __future__ import annotations

import json
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hl7bridge.certify.feed import PLAN, Feed, Listener
from hl7bridge.certify.hospital import Hospital
from hl7bridge.certify.link import Endpoint, Link
from hl7bridge.certify.messages import Messages
from hl7bridge.certify.report import Check, Verdict, page, plain
from hl7bridge.cli.main import main
from hl7bridge.hl7 import ack, conformance, mllp
from hl7bridge.hl7.message import Message
from hl7bridge.testing.peer import free_port
from hl7bridge.testing.world import write_folder
from tests.process.test_tls import Authority

Answer = Callable[[Message], bytes | None]
FILES = {
    "pharmacy.yaml": "channel: pharmacy\nsource: {mllp: {port: 2575}}\nsend_to: [rush, mercy]\n",
    "rush.yaml": "destination: rush\nsend: {mllp: {host: 127.0.0.1, port: 6701}}\n",
    "mercy.yaml": "destination: mercy\nstatus: test\nsend: {mllp: {host: 127.0.0.1, port: 1}}\n",
}
MADE = Messages("F", "TEST", datetime(2026, 11, 22, tzinfo=UTC), ("HUB", "HUB"))


def answered(message: Message, code: str = "AA", asked: bytes | None = None) -> bytes:
    made = ack.build(message, code, now=datetime(2026, 11, 22, tzinfo=UTC), control_id=b"1")
    return made if asked is None else made.replace(b"|" + message.control_id, b"|" + asked)


def good(message: Message) -> bytes:
    return answered(message, "AR" if message.type_code == b"ZZZ" else "AA")


class Endpoints:
    """Hospitals on ports of their own; `seen` is every message that any of them got."""

    def __init__(self) -> None:
        self.seen: list[Message] = []
        self._servers: list[socketserver.ThreadingTCPServer] = []

    def open(self, answer: Answer, context: ssl.SSLContext | None = None) -> int:
        seen = self.seen

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    link = (
                        self.request
                        if context is None
                        else context.wrap_socket(self.request, server_side=True)
                    )
                    framer = mllp.Framer()
                    while data := link.recv(65_536):
                        for event in framer.feed(data):
                            if isinstance(event, mllp.Frame):
                                message = Message(event.payload)
                                seen.append(message)
                                made = answer(message)
                                if made is None:
                                    return
                                link.sendall(mllp.frame(made))
                except OSError:
                    return

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)
        server.daemon_threads = True
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return int(server.server_address[1])

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


@pytest.fixture
def endpoints() -> Iterator[Endpoints]:
    made = Endpoints()
    yield made
    made.close()


def certify(tmp_path: Path, *words: object, files: dict[str, str] = FILES) -> Result:
    config = write_folder(tmp_path / "config", files)
    return CliRunner().invoke(main, ["certify", *map(str, words), "--config", str(config)])


def checks(result: Result) -> dict[str, tuple[str, str]]:
    found: dict[str, Any] = json.loads(result.stdout)
    return {each["name"]: (each["verdict"], each["seen"]) for each in found["checks"]}


def test_a_good_endpoint_passes_and_gets_nothing_but_test_messages(
    tmp_path: Path, endpoints: Endpoints
) -> None:
    to = f"127.0.0.1:{endpoints.open(good)}"
    result = certify(tmp_path, "rush", "--to", to, "--json", "--html", tmp_path / "page.html")
    assert result.exit_code == 0
    found = checks(result)
    assert found["refuses what it does not know (AE or AR)"] == ("passed", "AR")
    assert [name for name, (verdict, _) in found.items() if verdict == "failed"] == []
    assert [name for name, (verdict, _) in found.items() if verdict == "noted"] == [
        "TLS",
        "the same message again (same MSH-10)",
    ]
    assert {message.processing_id for message in endpoints.seen} == {b"T"}
    assert all(message.first(b"PID").field(5).startswith(b"ZZTEST^") for message in endpoints.seen)
    page = (tmp_path / "page.html").read_text()
    assert "Passed" in page
    assert page.count("name, date, signature") == 2


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (lambda message: answered(message, asked=b"OTHER"), "AA with another control ID (MSA-2) (20 times)"),
        (lambda message: b"hello", "what came back is no acknowledgment (20 times)"),
        (lambda message: answered(message, "AE"), "answered AE (20 times)"),
        (lambda message: None, "closed by the other side"),
    ],
)
def test_what_a_bad_endpoint_does_is_said(
    tmp_path: Path, endpoints: Endpoints, answer: Answer, seen: str
) -> None:
    result = certify(tmp_path, "rush", "--to", f"127.0.0.1:{endpoints.open(answer)}", "--json")
    assert result.exit_code == 1
    assert seen in [said for verdict, said in checks(result).values() if verdict == "failed"]


def refusing(number: int, code: str = "AE") -> Answer:
    """Refuses one of the messages; all others are answered well."""
    seen: list[Message] = []

    def answer(message: Message) -> bytes:
        seen.append(message)
        return answered(message, code) if len(seen) == number else good(message)

    return answer


def numbered(endpoints: Endpoints, name: str) -> int:
    """Which message of a whole run is the last of a check."""
    counts: dict[str, int] = {}
    endpoint = Endpoint("127.0.0.1", endpoints.open(good), 5.0)
    for check in Hospital(endpoint, MADE).checks():
        counts[check.name] = len(endpoints.seen)
    return counts[name]


@pytest.mark.parametrize(
    ("check", "seen"),
    [
        ("two messages at once", "answered AE"),
        ("two connections at once, each with its own answers", "answered AE"),
        ("goes on after a refusal", "answered AE"),
    ],
)
def test_a_check_in_which_a_message_was_refused_has_not_passed_and_says_so(
    tmp_path: Path, endpoints: Endpoints, check: str, seen: str
) -> None:
    number = numbered(endpoints, check)
    result = certify(tmp_path, "rush", "--to", f"127.0.0.1:{endpoints.open(refusing(number))}", "--json")
    assert checks(result)[check] == ("failed", seen)
    assert result.exit_code == 1


def test_a_repetition_that_is_not_acknowledged_has_failed(tmp_path: Path, endpoints: Endpoints) -> None:
    ids: list[bytes] = []

    def answer(message: Message) -> bytes:
        ids.append(message.control_id)
        return b"hello" if ids[:-1].count(message.control_id) else good(message)

    found = checks(certify(tmp_path, "rush", "--to", f"127.0.0.1:{endpoints.open(answer)}", "--json"))
    assert found["the same message again (same MSH-10)"] == ("failed", "what came back is no acknowledgment")


@pytest.mark.parametrize("seconds", ["-1", "0", "nan"])
def test_a_time_that_is_none_is_refused(tmp_path: Path, seconds: str) -> None:
    result = certify(tmp_path, "rush", "--to", "127.0.0.1:1", "--timeout", seconds)
    assert (result.exit_code, "--timeout" in result.output) == (2, True)


def test_one_who_does_not_answer_is_not_waited_for_for_ever(tmp_path: Path, endpoints: Endpoints) -> None:
    silent = threading.Event()
    to = f"127.0.0.1:{endpoints.open(lambda message: (silent.wait(20) or True) and None)}"
    result = certify(tmp_path, "rush", "--to", to, "--json", "--timeout", "0.05")
    silent.set()
    assert checks(result)["answers in time"] == ("failed", "no answer in time")


def test_nobody_there_is_one_failure(tmp_path: Path) -> None:
    result = certify(tmp_path, "rush", "--to", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "connects: cannot connect: Connection refused" in result.stdout
    assert result.stdout.count("failed  ") == 1


def test_production_is_never_tried(tmp_path: Path) -> None:
    result = certify(tmp_path, "rush")
    assert result.exit_code == 2
    assert "name its test endpoint: --to HOST:PORT" in result.output
    for spelling in ("127.0.0.1:6701", "localhost:6701", "LOCALHOST.:6701"):
        for name in ("rush", "mercy"):
            named = certify(tmp_path, name, "--to", spelling)
            assert (named.exit_code, "is what the file of rush names" in named.output) == (2, True)
    assert "Connection refused" in certify(tmp_path, "mercy").stdout, "its file says that it is for tests"
    assert "did you mean rush?" in certify(tmp_path, "rsh").output
    assert certify(tmp_path).exit_code == 2


def test_tls_is_looked_at_by_chain_and_name(tmp_path: Path, endpoints: Endpoints) -> None:
    config = tmp_path / "config"
    config.mkdir()
    authority = Authority(config, "ca")
    authority.issue("hospital", ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config / "hospital.pem", config / "hospital.key")
    to = f"127.0.0.1:{endpoints.open(good, context)}"

    def run(name: str) -> dict[str, tuple[str, str]]:
        tls = f"destination: rush\nsend: {{mllp: {{host: 127.0.0.1, port: 1, tls: {{ca: ca.pem, name: {name}}}}}}}\n"
        return checks(certify(tmp_path, "rush", "--to", to, "--json", files=FILES | {"rush.yaml": tls}))

    verdict, seen = run("127.0.0.1")["TLS: chain and name"]
    assert verdict == "passed"
    assert seen.startswith("TLSv1.")
    assert "commonName=hospital" in seen
    verdict, seen = run("elsewhere.example")["connects"]
    assert verdict == "failed"
    assert seen.startswith("TLS: ")


def test_the_made_up_messages_are_well_made() -> None:
    messages = Messages("T", "TEST", datetime(2026, 11, 22, tzinfo=UTC), ("EHR", "RUSH"))
    for raw in (messages.order("1"), messages.result("2", "text")):
        assert conformance.check(Message(raw)) == []


# -- the other way round -------------------------------------------------------------------------------------------------------


class Sender:
    """A feed that sends one message after the other; `repeats` what was not answered."""

    def __init__(self, port: int, *, repeats: bool) -> None:
        self._endpoint = Endpoint("127.0.0.1", port, 5.0)
        self._repeats = repeats
        self._link = Link(self._endpoint)
        self._messages = Messages("F", "TEST", datetime(2026, 11, 22, tzinfo=UTC), ("HUB", "HUB"))

    def send(self, count: int) -> None:
        for _ in range(count):
            control_id = self._messages.control_id()
            payload = self._messages.order(control_id)
            try:
                self._link.ask(payload, control_id.encode())
            except Exception:
                self._link.close()
                self._link = Link(self._endpoint)
                if self._repeats:
                    self._link.ask(payload, control_id.encode())
        self._link.close()


@pytest.mark.parametrize("repeats", [True, False])
def test_a_feed_is_told_what_it_does_after_trouble(repeats: bool) -> None:
    said: list[str] = []
    feed = Feed(said.append, slow_s=0.0)
    server = Listener(("127.0.0.1", 0), feed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Sender(server.server_address[1], repeats=repeats).send(30)
    server.shutdown()
    server.server_close()
    found = {check.name: check for check in feed.checks()}
    assert found["after a close before the answer"].verdict is (Verdict.PASSED if repeats else Verdict.FAILED)
    assert found["after AE"].seen == "the message came 0 times more; others went on"
    assert found["messages"].seen == f"{30 + repeats} on 2 connections: {30 + repeats} RDE^O11"
    assert [
        each.verdict for name, each in found.items() if name.startswith(("whole", "a control", "test"))
    ] == [Verdict.PASSED] * 3
    assert said == [f"message {number}: {manner}" for number, manner in PLAN.items()]


def test_a_feed_that_sends_what_is_no_hl7_is_told(tmp_path: Path) -> None:
    feed = Feed(lambda line: None, slow_s=0.0)
    server = Listener(("127.0.0.1", 0), feed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with socket.create_connection(server.server_address) as link:
        link.sendall(
            b"stray" + mllp.frame(b"hello") + mllp.frame(b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01||P|2.5.1\r")
        )
        framer, got = mllp.Framer(), 0
        while got < 2:
            got += sum(isinstance(event, mllp.Frame) for event in framer.feed(link.recv(4096)))
    server.shutdown()
    server.server_close()
    found = {check.name: (check.verdict, check.seen) for check in feed.checks()}
    assert found["a header that can be read"] == (Verdict.FAILED, "1 message had none")
    assert found["nothing outside of frames"] == (Verdict.FAILED, "5 bytes stood outside of frames")
    assert found["a control ID (MSH-10)"] == (Verdict.FAILED, "1 message had none")
    assert found["test messages only (MSH-11 = T)"][0] is Verdict.NOTED
    assert found["after AE"][0] is Verdict.SKIPPED


def test_a_frame_that_its_sender_never_finished_is_told(tmp_path: Path) -> None:
    feed = Feed(lambda line: None, slow_s=0.0)
    server = Listener(("127.0.0.1", 0), feed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with socket.create_connection(server.server_address) as link:
        link.sendall(mllp.frame(MADE.order("F1")) + mllp.frame(MADE.order("F2"))[:40])
        link.shutdown(socket.SHUT_WR)
        while link.recv(4096):
            pass
    server.shutdown()
    server.server_close()
    found = {check.name: (check.verdict, check.seen) for check in feed.checks()}
    assert found["whole frames"] == (Verdict.FAILED, "1 frame given up by the sender")


def test_trouble_waits_for_a_message_that_is_none_that_came_before() -> None:
    """A sender that repeats what was answered AE until it is taken must meet AR all the same."""
    feed = Feed(lambda line: None)
    manners = [
        feed.received(MADE.order(f"F{number}"))[0] for number in (1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 6, 7, 8)
    ]
    assert manners == ["AA"] * 4 + ["AE"] + ["AA"] * 5 + ["AR", "AA", "AA"]
    found = {check.name: (check.verdict, check.seen) for check in feed.checks()}
    assert found["after AE"] == (Verdict.NOTED, "the message came 5 times more; others went on")
    assert found["after AR"] == (Verdict.NOTED, "the message came 0 times more; others went on")


def test_what_was_not_done_is_not_passed() -> None:
    made = datetime(2026, 11, 22, tzinfo=UTC)
    done, left = Check("one", Verdict.PASSED, "seen"), Check("other", Verdict.SKIPPED, "too few came")
    assert plain("", {}, [done], made)["passed"]
    assert "<p class='passed'>Passed</p>" in page("", {}, [done], made, ("a", "b"))
    assert not plain("", {}, [done, left], made)["passed"]
    assert "Not complete" in page("", {}, [done, left], made, ("a", "b"))


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_feed_is_told_however_listening_ends(tmp_path: Path, number: signal.Signals) -> None:
    port, written = free_port(), tmp_path / "feed.html"
    command = [
        sys.executable,
        "-m",
        "hl7bridge",
        "certify",
        "--listen",
        f"127.0.0.1:{port}",
        "--html",
        str(written),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith("listening on")
        Sender(port, repeats=True).send(1)
        running.send_signal(number)
        said, _ = running.communicate(timeout=30)
    assert "messages: 1 on 1 connection: 1 RDE^O11" in said
    assert "0 failed, 4 not done" in said
    assert running.returncode == 1
    assert "A feed, tried by hl7bridge" in written.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_told_before_anything_is_tried(
    tmp_path: Path, endpoints: Endpoints
) -> None:
    result = certify(
        tmp_path,
        "rush",
        "--to",
        f"127.0.0.1:{endpoints.open(good)}",
        "--html",
        tmp_path / "none" / "page.html",
    )
    assert (result.exit_code, "this file cannot be written: there is no folder" in result.output) == (2, True)
    assert endpoints.seen == []

"""Measures the engine with mllp_bench, a load generator and receiver that knows nothing of it.

    bin/benchmark [throughput|idle|queue|rosters|retention|large ...] [--bench FOLDER] [--runs N] [--gigabytes G]

FOLDER holds mllp_bench.c, relay.py, config/ and passthrough/ (default: ../shared/bench beside the checkout, or HL7BRIDGE_BENCH).
Everything runs on 127.0.0.1; nothing else should run meanwhile. Quotes medians of several runs.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from hl7bridge.store.base import Batch, MessageQuery, MessageStatus, NewMessage
from hl7bridge.store.sqlite.reader import SqliteReader
from hl7bridge.store.sqlite.store import SqliteStore
from hl7bridge.testing.engineprocess import EngineProcess
from hl7bridge.testing.peer import Peer
from hl7bridge.testing.world import write_folder

ROOT = Path(__file__).resolve().parents[2]
FEED_PORT, HOSPITAL_PORT = 22575, 26701
MB = 1_000_000
rows: list[tuple[str, str, str]] = []


def say(what: str, figure: str, aim: str = "") -> None:
    """One row of the table, shown as soon as it is known."""
    rows.append((what, figure, aim))
    click.echo(f"  {what:<66} {figure:<28} {aim}", err=True)


class Tools:
    """The load generator, compiled once, and the relay."""

    def __init__(self, folder: Path, work: Path, old_bytes: int) -> None:
        self.folder = folder
        self.work = work
        self.old_bytes = old_bytes
        self.tool = work / "mllp_bench"
        subprocess.run(["cc", "-O2", "-o", str(self.tool), str(folder / "mllp_bench.c")], check=True)

    def bench(self, *, listen: bool = True, **options: Any) -> dict[str, Any]:
        """One run of the load generator against the engine's port."""
        command = [str(self.tool), "--to", f"127.0.0.1:{FEED_PORT}"]
        if listen:
            command += ["--listen", str(HOSPITAL_PORT)]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=900)
        if not ran.stdout:
            raise SystemExit(f"mllp_bench: {ran.stderr}")
        return dict(json.loads(ran.stdout))

    def relay(self, messages: int) -> float:
        """Messages a second through a relay that keeps nothing."""
        relay = subprocess.Popen(
            [sys.executable, str(self.folder / "relay.py"), str(FEED_PORT), str(HOSPITAL_PORT), "8"]
        )
        try:
            wait_for(FEED_PORT)
            return float(self.bench(connections=32, messages=messages)["end_to_end_per_s"])
        finally:
            relay.kill()
            relay.wait()


def wait_for(port: int) -> None:
    """Until someone listens."""
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"nobody listens on {port}")


class Running:
    """An engine over a configuration and a fresh (or given) data folder, for a `with`."""

    def __init__(self, work: Path, config: Path, data: Path | None = None) -> None:
        self.data = data or Path(tempfile.mkdtemp(dir=work)) / "data"
        self.process = EngineProcess(config, self.data)

    def __enter__(self) -> EngineProcess:
        self.ready_s = self.process.start()
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.stop()
        shutil.rmtree(self.data, ignore_errors=True)


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def median(figures: list[dict[str, Any]], name: str) -> float:
    return statistics.median(float(figure[name]) for figure in figures)


def promises(figures: list[dict[str, Any]]) -> str:
    """What must be zero, added up."""
    names = ("lost", "lost_acknowledged", "duplicates", "reordered_in_patient", "refused")
    return ", ".join(f"{name} {sum(int(figure[name]) for figure in figures)}" for name in names)


# -- what is measured ----------------------------------------------------------------------------------------------------


def throughput(tools: Tools, runs: int) -> None:
    """Thirty-two connections and one, in the same run as the relay."""
    say("fdatasync of 8 kB, median", f"{fdatasync_ms(tools.work):.2f} ms")
    relays, many, single = [], [], []
    for _ in range(runs):
        relays.append(tools.relay(60_000))
        with Running(tools.work, tools.folder / "config"):
            many.append(tools.bench(connections=32, messages=60_000))
        with Running(tools.work, tools.folder / "config"):
            single.append(tools.bench(connections=1, messages=5_000))
    relay = statistics.median(relays)
    rate = median(many, "end_to_end_per_s")
    say("relay that keeps nothing, 32 connections", f"{relay:,.0f}/s")
    say("32 connections: end to end", f"{rate:,.0f}/s", "at least 5,000/s")
    say("32 connections: share of the relay", f"{100 * rate / relay:.0f} %", "at least 30 %")
    say(
        "32 connections: acknowledgement p50 / p99",
        f"{median(many, 'ack_ms_p50'):.1f} / {median(many, 'ack_ms_p99'):.1f} ms",
        "p99 under 30 ms",
    )
    say(
        "32 connections: delivery p50 / p99",
        f"{median(many, 'delivery_ms_p50'):.0f} / {median(many, 'delivery_ms_p99'):.0f} ms",
        "p99 under 1,000 ms",
    )
    say("32 connections: broken promises", promises(many), "all 0")
    say("1 connection: end to end", f"{median(single, 'end_to_end_per_s'):,.0f}/s", "at least 1,000/s")


def fdatasync_ms(folder: Path) -> float:
    file = os.open(folder / "sync", os.O_CREAT | os.O_RDWR)
    took = []
    for place in range(300):
        os.pwrite(file, b"x" * 8192, place * 8192)
        began = time.perf_counter()
        os.fdatasync(file)
        took.append(time.perf_counter() - began)
    os.close(file)
    return statistics.median(took) * 1000


def idle(tools: Tools, runs: int) -> None:
    """8,700 idle connections beside the load."""
    alone, beside, memory = [], [], 0
    for _ in range(runs):
        with Running(tools.work, tools.folder / "config"):
            alone.append(tools.bench(connections=32, messages=40_000))
        with Running(tools.work, tools.folder / "config") as engine:
            beside.append(tools.bench(connections=32, messages=40_000, idle=8_700))
            memory = max(memory, engine.rss_bytes(peak=True))
    slower = 1 - median(beside, "end_to_end_per_s") / median(alone, "end_to_end_per_s")
    say("8,700 idle connections beside the load: slower by", f"{100 * slower:.0f} %", "at most 10 %")
    say("8,700 idle connections: peak memory", f"{memory / MB:,.0f} MB", "under 1,000 MB")


def queue(tools: Tools, runs: int) -> None:
    """A million messages of 300,000 patients for a hospital that is down."""
    data = Path(tempfile.mkdtemp(dir=tools.work)) / "data"
    engine = EngineProcess(tools.folder / "config", data)
    engine.start()
    before = engine.rss_bytes()
    first = tools.bench(listen=False, connections=32, messages=50_000, patients=300_000, tag="A")
    rest = tools.bench(listen=False, connections=32, messages=900_000, patients=300_000, tag="Q")
    last = tools.bench(listen=False, connections=32, messages=50_000, patients=300_000, tag="Z")
    say(
        "1,000,000 queued for a hospital that is down: memory over idle",
        f"{(engine.rss_bytes(peak=True) - before) / MB:,.0f} MB",
        "at most 200 MB",
    )
    slower = 1 - float(last["ack_per_s"]) / float(first["ack_per_s"])
    say(
        "1,000,000 queued: acknowledgements slower by",
        f"{100 * slower:.0f} % ({rest['ack_per_s']:,}/s on the way)",
        "at most 20 %",
    )
    engine.kill()
    say("1,000,000 queued: ready again after kill -9", f"{engine.start():.1f} s", "under 5 s")
    engine.stop()
    shutil.rmtree(data.parent, ignore_errors=True)


def rosters(tools: Tools, runs: int) -> None:
    """350 affiliates and a million roster rows against one affiliate and its thousand."""
    small = affiliates(tools.work / "small", 1, 1_000)
    large = affiliates(tools.work / "large", 350, 1_000_000)
    costs: dict[str, list[float]] = {"small": [], "large": []}
    loading = 0.0
    data = {name: Path(tempfile.mkdtemp(dir=tools.work)) / "data" for name in costs}
    for run in range(runs):
        for name, config in (("small", small), ("large", large)):
            engine = EngineProcess(config, data[name])
            took = engine.start()
            loading = max(loading, took)
            before = cpu_s(engine.pid)
            tools.bench(connections=32, messages=30_000, tag=f"R{run}")
            costs[name].append((cpu_s(engine.pid) - before) / 30_000 * 1e6)
            engine.stop()
    one, many = statistics.median(costs["small"]), statistics.median(costs["large"])
    say(
        "350 affiliates, 1,000,000 roster rows: cost of a message",
        f"{many:.0f} against {one:.0f} us ({100 * (many / one - 1):+.0f} %)",
        "under +15 %",
    )
    say("1,000,000 roster rows: loaded at the first start in", f"{loading:.0f} s")


def affiliates(folder: Path, count: int, patients: int) -> Path:
    """A configuration whose first affiliate has the load generator's patients."""
    files = {
        "pharmacy.yaml": f"channel: pharmacy\nsource: {{mllp: {{port: {FEED_PORT}}}}}\n"
        "map: [{MSH-5: EPIC}]\nsend_to: [{affiliates: pharmacy}]\n"
    }
    each = patients // count
    for number in range(count):
        name = f"affiliate{number:03d}"
        files[f"affiliates/{name}.yaml"] = (
            f"affiliate: {name}\nagreement: {{pharmacy: 2016-01-01}}\nroster: rosters/{name}.csv\n"
            f"send: {{mllp: {{host: 127.0.0.1, port: {HOSPITAL_PORT if not number else 26800}}}, timeout: 10s, connections: 8}}\n"
        )
        begin = 100_000_000 + number * each
        lines = [f"E{patient},MEDSTAR,,,,\n" for patient in range(begin, begin + each)]
        files[f"rosters/{name}.csv"] = "id,authority,from,through,npi,opt_out\n" + "".join(lines)
    return write_folder(folder, files)


def retention(tools: Tools, runs: int) -> None:
    """Gigabytes of old messages are deleted under load."""
    data = Path(tempfile.mkdtemp(dir=tools.work)) / "data"
    data.mkdir()
    shipped = tools.folder / "config"
    texts = {path.relative_to(shipped).as_posix(): path.read_text() for path in shipped.rglob("*.yaml")}
    config = write_folder(
        tools.work / "retention",
        {
            **texts,
            "hl7bridge.yaml": "retention: {messages: 1d}\n",
        },
    )
    fill(data / "hl7bridge.db", tools.old_bytes)
    size = (data / "hl7bridge.db").stat().st_size
    engine = EngineProcess(config, data)
    engine.start()
    began = time.monotonic()
    worst, figures = 0.0, []
    with closing(SqliteReader(data / "hl7bridge.db")) as reader:
        while time.monotonic() - began < 1_800:
            figure = tools.bench(connections=32, messages=20_000, tag=f"T{len(figures)}")
            figures.append(figure)
            worst = max(worst, float(figure["ack_ms_max"]))
            if not reader.messages(MessageQuery(source="old"), None, 1, newest_first=False):
                break
    took = time.monotonic() - began
    for _ in range(300):  # what the deleted left behind is given back in steps
        left = (data / "hl7bridge.db").stat().st_size
        time.sleep(0.1)
        if left == (data / "hl7bridge.db").stat().st_size:
            break
    say(
        f"retention removes {tools.old_bytes / 1e9:g} GB under load: acknowledgement p99",
        f"{max(float(each['ack_ms_p99']) for each in figures):.1f} ms (max {worst:.0f} ms)",
        "under 30 ms",
    )
    say(
        "retention: file before and after",
        f"{size / MB:,.0f} and {left / MB:,.0f} MB in {took:.0f} s, {20_000 * len(figures):,} new",
        "space given back",
    )
    engine.stop()
    shutil.rmtree(data.parent, ignore_errors=True)


def fill(path: Path, size: int) -> None:
    """Old messages of 20 kB, until they make up so many bytes."""
    store = SqliteStore(path)
    body = os.urandom(20_000)
    old_us = int((time.time() - 10 * 86400) * 1e6)
    number = 0
    while number * len(body) < size:
        batch = []
        for _ in range(500):
            number += 1
            batch.append(
                NewMessage(
                    number,
                    old_us + number,
                    "old",
                    "ORU^R01",
                    f"O{number}",
                    number,
                    number,
                    MessageStatus.FILTERED,
                    "AA",
                    "old",
                    body,
                    patient_keys=(number,),
                )
            )
        store.commit(Batch(messages=batch))
        if store.checkpoint_due():
            store.checkpoint()
    store.close()


def large(tools: Tools, runs: int) -> None:
    """One message of 10 MB."""
    hospital = socket.create_server(("127.0.0.1", HOSPITAL_PORT))
    got = threading.Event()

    def answer() -> None:
        peer = Peer(hospital.accept()[0])
        control_id = peer.read().split(b"|", 10)[9]
        peer.write(b"MSH|^~\\&|H|H|||2026||ACK|1|P|2.5.1\rMSA|AA|" + control_id + b"\r")
        got.set()

    threading.Thread(target=answer, daemon=True).start()
    with Running(tools.work, tools.folder / "config") as engine:
        before = engine.rss_bytes()
        text = (
            re.sub(rb"RDE\^O11\^RDE_O11", b"ORU^R01^ORU_R01", ORDER)
            + b"OBX|1|ED|PDF||^AP^^Base64^"
            + b"QUJD" * 2_500_000
            + b"\r"
        )
        began = time.monotonic()
        peer = Peer(socket.create_connection(("127.0.0.1", FEED_PORT)))
        assert b"MSA|AA" in peer.ask(text)
        acknowledged = time.monotonic() - began
        assert got.wait(30)
        grown = engine.rss_bytes(peak=True) - before
    hospital.close()
    say("a message of 10 MB: acknowledged in", f"{acknowledged * 1000:.0f} ms")
    say(
        "a message of 10 MB: peak memory over idle",
        f"{grown / MB:.0f} MB ({grown / len(text):.1f} times it)",
        "under 10 times",
    )


ORDER = (
    b"MSH|^~\\&|RX|S1|HUB|HUB|20261121120000||RDE^O11^RDE_O11|LARGE|P|2.5.1\r"
    b"PID|1||1^^^RETAIL^PI~E1^^^MEDSTAR^MR||DOE^JANE\rPV1|1|O|S1\rORC|NW|1\r"
)
SCENARIOS = {each.__name__: each for each in (throughput, idle, queue, rosters, retention, large)}


@click.command()
@click.argument("scenarios", nargs=-1, type=click.Choice(list(SCENARIOS)))
@click.option(
    "--bench",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="HL7BRIDGE_BENCH",
    default=ROOT.parent / "shared" / "bench",
)
@click.option("--runs", default=3, show_default=True)
@click.option("--gigabytes", default=5.0, show_default=True, help="Old messages that retention removes.")
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where stores are put [default: the temporary folder].",
)
def main(scenarios: tuple[str, ...], folder: Path, runs: int, gigabytes: float, work: Path | None) -> None:
    """Measure SCENARIOS (default: all) and print a table in Markdown."""
    made = Path(tempfile.mkdtemp(prefix="hl7bridge-bench-", dir=work))
    click.echo(machine(), err=True)
    try:
        tools = Tools(folder, made, int(gigabytes * 1e9))
        for name in scenarios or SCENARIOS:
            click.echo(f"{name}: {SCENARIOS[name].__doc__}", err=True)
            SCENARIOS[name](tools, runs)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    click.echo(f"{machine()}\n\n| what | measured | aim |\n|---|---|---|")
    for row in rows:
        click.echo("| " + " | ".join(row) + " |")


def machine() -> str:
    """What it was measured on."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    processor = model[1] if model else platform.machine()
    day = time.strftime("%Y-%m-%d")
    return f"{os.cpu_count()} cores of {processor}, Python {platform.python_version()}, {day}"


if __name__ == "__main__":
    main()

"""One engine as a process: its data folder, its signals, its exit status."""

from __future__ import annotations

import os
import random
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from twisted.internet.task import cooperate
from twisted.logger import Logger

from hl7bridge.engine import steady
from hl7bridge.engine.edges.connect import Connector
from hl7bridge.engine.folder import load_folder
from hl7bridge.engine.keeping.writer import Separately
from hl7bridge.engine.lists.loading import Showing
from hl7bridge.engine.lock import FolderLock
from hl7bridge.engine.operating import control
from hl7bridge.engine.receiving import in_time
from hl7bridge.engine.service import Engine
from hl7bridge.engine.signals import Signals
from hl7bridge.errors import HL7BridgeError
from hl7bridge.places import STORE
from hl7bridge.store.base import STORE_LOST, StoreUnknown
from hl7bridge.store.process.separate import SeparateStore

log = Logger(namespace="hl7bridge.process")


def run_engine(
    reactor: Any, signals: Signals, folder: Path, data: Path | None, *, accept_roster_ends: bool
) -> int:
    """Runs until a signal stops it; gives the exit status. Raises HL7BridgeError where it cannot start."""
    if data is None:
        settings = load_folder(folder).engine
        data = Path(settings.data)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return _run(reactor, signals, folder, data, accept_roster_ends=accept_roster_ends)
    except StoreUnknown as error:
        _fatal(error)


def _run(reactor: Any, signals: Signals, folder: Path, data: Path, *, accept_roster_ends: bool) -> int:
    with ExitStack() as leaving:
        leaving.callback(FolderLock(data).release)
        leaving.enter_context(in_time.bounded())
        store = SeparateStore(data / STORE)
        leaving.callback(store.close)
        writer = Separately(store, reactor)
        leaving.callback(writer.stop)
        showing = Showing(reactor.seconds, sys.stderr if sys.stderr.isatty() else None)
        engine = Engine(
            folder,
            store,
            Connector(reactor, folder, data, random.random),
            wall_us=steady.wall_us,
            chance=random.random,
            fatal=_fatal,
            writer=writer,
            accept_roster_ends=accept_roster_ends,
            loading=showing,
        )
        showing.end()
        if signals.stop_asked:  # no port is open yet, and nothing has been taken
            log.info("stopped before it was ready")
            return 0
        engine.start()
        socket = control.listen(engine, data)
        _follow(signals, reactor, engine, socket)
        log.info(
            "ready: process {pid}, configuration {version}, data in {data}",
            pid=os.getpid(),
            version=engine.configuration.version[:12],
            data=str(data),
        )
        if not engine.configuration.channels:
            log.warn("there is no channel in {folder}: no message is taken", folder=str(folder.resolve()))
        reactor.run(installSignalHandlers=False)
    return 0


def _fatal(error: StoreUnknown) -> NoReturn:
    log.critical("the store's disk failed, nothing is answered any more: {error}", error=str(error))
    # An orderly stop would touch the store again; what is acknowledged is on the disk.
    sys.stderr.flush()
    os._exit(STORE_LOST)


def _follow(signals: Signals, reactor: Any, engine: Engine, socket: Any) -> None:
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if stopping:
            return
        stopping = True
        log.info("stopping")
        socket.stopListening()
        engine.stop().addBoth(lambda _: reactor.stop())

    reloading, again = False, False

    def reload() -> None:
        nonlocal reloading, again
        if reloading:
            again = True  # what changed since that one began to read is not lost
            return
        reloading = True
        cooperate(engine.reload()).whenDone().addErrback(failed).addCallback(reloaded)

    def reloaded(_: Any) -> None:
        nonlocal reloading, again
        reloading, once_more, again = False, again, False
        if once_more and not stopping:
            reload()

    def failed(failure: Any) -> None:
        for mistake in getattr(failure.value, "mistakes", ()):
            log.error("{mistake}", mistake=str(mistake))
        if failure.check(HL7BridgeError):
            log.error("the configuration stays as it was: {error}", error=str(failure.value))
        else:
            log.failure("the configuration stays as it was", failure)

    signals.serve(reactor, stop, reload)

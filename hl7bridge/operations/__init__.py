"""What an operator may ask and do, for every face (command line, console): search, show, count; and acts on a running engine.

Reading opens the store beside the engine, read only. Acting goes through the engine's control socket. Faces know neither SQL nor
sockets. What shows patients' data is told to the audit trail first (`view`). Raises HL7BridgeError, with what to do, for a data
folder without a store or an engine that does not run.

    reading, names     the store read: messages, deliveries, counts; whether a name is one
    queues, waiting    what deliveries wait for
    patients, feeds    what is known of a patient; what feeds never sent before
    trail              the audit trail: told, listed, checked
    acting             acts on a running engine
"""

from __future__ import annotations

from hl7bridge.operations.acting import HUNG_UP, NO_ANSWER, ActRefused, NotRunning, operator
from hl7bridge.operations.feeds import Feeds
from hl7bridge.operations.patients import Disclosure, Patients, Unsettled, Who
from hl7bridge.operations.queues import Queues, Wait
from hl7bridge.operations.trail import Disclosed, Trail, Unrecorded

__all__ = [
    "HUNG_UP",
    "NO_ANSWER",
    "ActRefused",
    "Disclosed",
    "Disclosure",
    "NotRunning",
    "Operations",
    "Unrecorded",
    "Unsettled",
    "Wait",
    "Who",
    "operator",
]


class Operations(Patients, Trail, Feeds, Queues):
    """On one data folder. Close it, or use it in a `with`."""

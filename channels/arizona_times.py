"""Times as a clock in Phoenix shows them: a hook of tucson.yaml, for what YAML should not say.

A hook is a function of one message; `message.get(path)`, `.all(path)` and `.set(path, text)` read and write texts by path.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

PHOENIX = ZoneInfo("America/Phoenix")
PATHS = ("MSH-7.1", "EVN-2.1", "EVN-6.1", "PV1-44.1", "PV1-45.1")
REPEATED = {"ORC": (9, 15), "OBR": (7, 22), "OBX": (14,)}


def local_times(message):
    """Writes times that have an offset without one, in Arizona's time; others stay as they are."""
    paths = list(PATHS)
    for segment, fields in REPEATED.items():
        for number in range(1, len(message.all(segment + "[*]-1")) + 1):
            paths += [f"{segment}[{number}]-{field}.1" for field in fields]
    for path in paths:
        text = message.get(path)
        if len(text) == 19 and text[14] in "+-":
            moment = datetime.strptime(text, "%Y%m%d%H%M%S%z")
            message.set(path, moment.astimezone(PHOENIX).strftime("%Y%m%d%H%M%S"))

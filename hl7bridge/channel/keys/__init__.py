"""The tables of keys: what may stand in a source, a destination or affiliate, `hl7bridge.yaml`, and how settings are made of it. The
loader, `check` and the JSON Schema all read by these.
"""

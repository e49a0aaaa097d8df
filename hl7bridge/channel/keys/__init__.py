"""The tables of keys: what may stand in a `source`, a `destination` or affiliate with its `alerts`, `privacy` and `outbox`, and in
`hl7bridge.yaml` (`engine`); and how settings are made of it. The loader, `check` and the JSON Schema all read by these.
"""

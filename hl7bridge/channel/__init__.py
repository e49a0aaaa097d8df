"""What an interface engineer writes in YAML, and what it decides: loading with file:line:column mistakes,
filters, mappings, code tables, routing, what does not leave for whom, what a feed tells the affiliation programme, and `decide`.

Pure: a folder comes in as bytes by name, secrets through a callable, times and rosters as arguments. It knows
no socket, no store, no clock and opens no file. A room imports only those above it:

    written    what stands in a file, with its place
    settings   of sources, destinations and the engine, as dataclasses
    rules      paths, conditions and steps, compiled
    privacy    what does not leave, for whom
    keys       what may stand in a file, and settings made of it
    feed       what a feed tells the affiliation programme
    deciding   what becomes of a message; `deciding.decide` is the heart
    loading    from a folder to what `deciding` runs on
    editors    the JSON Schema
    beside     tests beside the channels, run
"""

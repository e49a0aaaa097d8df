"""What an interface engineer writes in YAML, and what it decides: loading with file:line:column mistakes,
filters, mappings, code tables, routing, what does not leave for whom, what a feed tells the affiliation programme, and `decide`.

Pure: a folder comes in as bytes by name, secrets through a callable, times and rosters as arguments. It knows
no socket, no store, no clock and opens no file.

    a folder is read by folder (`load`, `check`), channelfile, the tables of keys (*table), model, record and yaml
    paths, conditions, steps   reference, condition, operator, assign, verbs, each, value, function; reads
    a message is decided by decide, through plan, program, scope; what leaves by case, leaving and withhold
    what a feed tells          programme, facts, visits, interventions
    tests beside a channel     beside, beside_file
    for editors                schema, pathpattern, pathnames, foldernames; beyond says what no version of HL7 has
"""

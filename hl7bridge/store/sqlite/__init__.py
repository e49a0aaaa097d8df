"""The store in one SQLite file.

store, reader                        the writer's side; everything that can be asked
connect, upkeep, forget              connections that may be trusted; checkpoints; retention
rows, bodies, names, places          how the protocol's rows lie in tables
audit, trail                         the audit trail, asked and written
control, search, seen, programme     repeated control IDs; searches; drift; what the programme knows
roster, sorting                      lists of patients, however long
sql                                  named statements, in queries/; the steps of the schema are in migrations/
"""

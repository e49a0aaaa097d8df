"""Paths, conditions and steps, compiled from YAML to functions of a scope: what filters, maps and routes are made of.

table, reads, setting, hook      what surrounds a piece while it is compiled, and what it is noted to read
scope, trace                     what a piece sees of a message, and what it tells whoever asks why
reference, quick, places         paths
condition, operator, compare, pattern
value, origin, constant, function, text, dates, times
steps, verbs, assign, each, program, split
"""

"""From a queue to another system: `deliver` claims, sends and keeps the answers; `release` looks again at whether something may still
leave; `pool` and `documents` are what it leaves through.
"""

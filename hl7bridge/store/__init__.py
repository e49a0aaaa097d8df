"""The store: keeps messages, decisions, deliveries and rosters durably.

rows                                what goes in and comes out
base                                the protocol: what may be asked, and how it may be refused
checks, hashes, roster_list         what holds for every store
memory, sqlite                      the stores
audit_check                         whether anybody changed the trail, in any of them
process                             SQLite's, written by a process of its own
"""

"""The store: keeps messages, decisions, deliveries and rosters durably. `base` is the protocol; the rest
keep it.
"""

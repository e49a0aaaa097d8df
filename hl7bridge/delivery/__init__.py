"""Delivery: what happens to an outgoing message between its acceptance and the hospital's answer.

PURE: three small state machines (a delivery, a key queue, a link) and the rules of retrying, as data. This room knows no socket,
no store and no clock: events and times come in, decisions go out.
"""

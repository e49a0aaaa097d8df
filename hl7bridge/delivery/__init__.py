"""Delivery: what happens to an outgoing message between its acceptance and the hospital's answer.

PURE: the queue of one destination (`queue`, `entry`), how a send ends (`outcome`), the rules of retrying (`retry`), and the states of
a delivery, a key queue and a link as tables (`machines`). This room knows no socket, no store and no clock: events and times come in,
decisions go out.
"""

"""The walk of one message. Begin with `receive`.

feed, budget    what connections and files hand their messages to, and how much may be in hand
receive         from its frame to its acknowledgement
in_time         deciding in bounded time
accept          the message, its deliveries and their places in the queues go to the journal together
answer          what the sender is told
"""

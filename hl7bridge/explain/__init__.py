"""Why a message became what it became: a message from a file or from the store is decided with a trace, which is told line by line.

    stored    a message of the store, by the configuration that decided it, with its deliveries and attempts
    lines     what is shown of a trace

What is shown is patients' data: whoever shows it tells the audit trail first. Refuses to know sockets.
"""

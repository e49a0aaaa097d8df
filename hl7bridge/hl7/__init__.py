"""The wire and the message, pure: framing, delimiters, the message view, paths, escapes, answers.

Bytes and times come in as arguments, values go out. This room refuses to know sockets, files, clocks, the
store and the channel language. Values of fields are bytes throughout, as they stand on the wire; text is made
on request, through the message's character set. Every error raised here is a
`hl7bridge.errors.HL7BridgeError`.

    frames and files   mllp; batch (whole) and batchfile (a little at a time)
    a message          message over delimiters; charset, escape; identifiers, types, embedded; changed (where two differ)
    paths              path, compiled by reading and access
    answers            ack
    the standard       names and conformance ask hl7apy; versions holds all of it at once, extent and extenttable what it comes to
"""

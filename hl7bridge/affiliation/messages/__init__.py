"""What the programme says, as HL7 messages.

alertmessage                            an alert, and its withdrawal
summary, summarymessage, summarytold    a visit that has ended; as a message; what is kept of one that was sent
recipient                               somebody whom no connection reaches
written, pid                            segments as bytes; the PID of what is said
"""

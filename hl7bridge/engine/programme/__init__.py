"""The affiliation programme at work: who is due (`programme`), what is told of one patient (`tell`, with what its speakers share in
`telling`), alerts (`alerting`) and visit summaries (`summaries`).
"""

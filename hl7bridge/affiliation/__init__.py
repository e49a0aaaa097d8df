"""The affiliation programme's rules: who may receive what. Pure: no store, no clock, no files; dates and rows
are arguments. A room imports only those above it:

    facts       what messages said
    who         who is who, and who may receive what
    tables      what a site knows: medicines, categories that are withheld, interactions
    history     what the facts of a patient come to
    alerts      adherence, refills, pick-ups, interactions, and what is told of them
    messages    what is told, as HL7
    report      what is told, as a list
"""

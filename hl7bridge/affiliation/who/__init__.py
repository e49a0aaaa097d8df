"""Who is who, and who may receive what.

roster, agreement    which patients are assigned to whom, and what may be shared with whom
people, known        which identifiers are one patient, and all that is known of one
"""

"""What a feed tells the affiliation programme: `programme:` of a channel compiled, and facts of messages by it.

programme                              the table of its keys, compiled
facts, visits, interventions, supply   orders and fills; visits and results; what the pharmacist did; days' supply
attribution, npi                       rosters that a hospital's own feed keeps up; National Provider Identifiers
"""

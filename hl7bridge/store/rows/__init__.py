"""The rows that go into a store and come out of it, as plain data: of messages and deliveries, the programme, rosters, what feeds have
shown, the audit trail and views.
"""

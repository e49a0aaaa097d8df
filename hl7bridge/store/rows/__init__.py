"""The rows that go into a store and come out of it, as plain data: of `messages` and deliveries, the `programme`, a `roster`, what
feeds have shown (`seen`), the `audit` trail and a `view`.
"""

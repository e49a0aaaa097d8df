"""The engine's side of the store: group commits (`journal`) through the store's own process (`writer`), the numbers of messages and
deliveries, the hashes of patients (`identity`), and what a queue's entry remembers (`about`).
"""

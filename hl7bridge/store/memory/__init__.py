"""The store that lives in memory: an honest fake (`store`), made of what it keeps (`state`, `roster`) and what can be asked of it
(`audit`, `programme`, `seen`).
"""

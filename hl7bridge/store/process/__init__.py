"""The store as the engine's process has it (`separate`): a process of its own writes (`writer`), and they talk over a socket pair
(`wire`).
"""

"""From settings to sockets and folders: listeners that stay open over a reload (`ports`), watched folders (`folders`), and what
destinations are reached by (`connect`).
"""

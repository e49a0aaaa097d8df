"""The engine joins the rooms: what a listener receives is decided, kept, acknowledged and delivered.

Begin with receive.py. service.py alone sees everything.
"""

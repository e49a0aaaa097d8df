"""What a patient's facts come to: fills and prescriptions, stays, visits and their results, the history as it is known on a day, and
the active medicines (`regimen`).
"""

"""What a patient's facts come to: fills and prescriptions, stays, visits and their results, the history as it is known on a day, the
active medicines (`regimen`); and what a site knows of medicines and of the categories that are withheld.
"""

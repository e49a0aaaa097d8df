"""The rules: adherence (PQA), late refills, medicine not picked up (`pickups`), interactions, interventions.

alerts, case, withdrawal    which hold on a day; what the rules share; why one no longer holds
notices                     what is told, told anew, or taken back
chart                       what is known of one patient, put together
"""

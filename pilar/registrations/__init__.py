"""Who answers what: handlers by event, job and delivery, the steps of a studio, reconcilers by kind of effect.

What belongs here: naming each of them explicitly, so that one reads here what follows from what. What does not: any
rule, and building what is named (`app.py`).
"""

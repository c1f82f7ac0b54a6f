"""Pure: what is counted. Each counter is declared once, with its kind and what it means; workers count, the service sums, status shows.

``counters`` has the declarations and the objects that hold the numbers.
"""

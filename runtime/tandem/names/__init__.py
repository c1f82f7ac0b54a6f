"""Finds the addresses of host names: asks name servers, follows how long answers count, and keeps the last good one while none is to be had.

Only the supervisor uses it, beside the traffic and never before it.
"""

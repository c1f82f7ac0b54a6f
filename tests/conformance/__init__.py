"""``make conformance``: what HAProxy and nginx do with the messages that Tandem refuses, for docs/reference/http-conformance.md."""

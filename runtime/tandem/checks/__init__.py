"""What is up: probes servers, and decides from what they answer. The supervisor runs it, once per node."""

"""Pure: which server takes the next client. Methods of balancing, rendezvous hashing, sticky bindings. The time is an argument."""

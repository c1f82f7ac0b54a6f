"""A worker: the process that carries traffic, fed with documents, listeners and health by the service over a channel."""

"""The service's parent process: owns listeners, checks health, keeps the workers, answers the control socket. It carries no traffic."""

"""Protocol code under bytes that nobody thought of: ``targets`` says what must hold, ``corpus`` keeps what was found, ``make fuzz`` searches on."""

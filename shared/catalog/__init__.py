"""Models and rules as data, and what follows from their dates (R1, R11, R15)."""

"""How much is used of what is allowed (R6)."""

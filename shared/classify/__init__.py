"""What kind of task a request is (R3)."""

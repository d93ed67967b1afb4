"""Logs and figures of an instance (R17, R25)."""

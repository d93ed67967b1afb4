"""The provider simulator: each provider's wire on a port of its own, with faults on demand."""

"""The stored runtime configuration: kept with its history, and followed by every instance."""

"""One module for each version, the oldest first."""

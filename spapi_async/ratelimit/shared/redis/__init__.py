"""The quota kept in Redis."""

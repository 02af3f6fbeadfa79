"""The client side of a quota that processes share, whatever keeps it."""

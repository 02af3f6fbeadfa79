"""Calls into requests and replies into models: pure, no I/O and no clock."""

"""The data behind the operations: the seeded world, and generators of plausible text and numbers."""

"""The store for shared quota in Redis."""

"""What every layer above speaks of: operations, options, events, time, endpoints, the base of the models."""

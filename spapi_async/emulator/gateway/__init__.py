"""The path of a request to an operation and of its reply back: routes, arguments, usage plans, faults."""

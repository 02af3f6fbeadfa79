"""How a request reaches an operation, and how the reply leaves: routes, arguments, plans, faults."""

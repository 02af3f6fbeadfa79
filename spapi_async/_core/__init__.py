"""Types that all layers above use: operations, options, events, clocks, endpoints, the base of the models."""

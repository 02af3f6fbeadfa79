"""Jobs written by hand on top of the generated operations, one folder each."""

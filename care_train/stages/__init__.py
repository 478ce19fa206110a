"""One module a stage; each reads top to bottom alone."""

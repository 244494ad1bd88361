"""Design-space exploration: axes, solver, search, executors, reports, the command line."""

"""One module for every command; each has main(arguments) -> exit code."""

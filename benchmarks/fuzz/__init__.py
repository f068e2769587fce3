"""Malformed inputs for every door of the program, each read in a child process of its own."""

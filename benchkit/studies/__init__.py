"""Studies: a specification that expands to trials, run, kept, shown and verified."""

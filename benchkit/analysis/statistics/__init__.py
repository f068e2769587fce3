"""Statistics: arrays and tidy frames in, numbers with their intervals out."""

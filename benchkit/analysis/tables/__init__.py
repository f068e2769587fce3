"""Tables: frames in, rows and their text out."""

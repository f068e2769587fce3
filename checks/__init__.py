"""What `make check` does to the packages that would be published."""

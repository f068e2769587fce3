"""The kinds of ``benchkit plot``, a file each."""

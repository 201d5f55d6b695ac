"""A graph evaluated in NumPy: its reference run, constants folded, shapes made numbers."""

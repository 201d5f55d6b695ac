"""The vocabulary of kernels: vectors, register tiles and steps for each target."""

"""Times, distances, and the machine that they were measured on."""

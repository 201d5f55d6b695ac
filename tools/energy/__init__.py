"""What an inference costs in joules: a sensor sampled beside windows of load and of rest, and what follows from it."""

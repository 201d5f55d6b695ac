"""Cascades: several classifiers of one thing, of which each is asked only where those before it are unsure."""

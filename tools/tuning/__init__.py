"""Thresholds of cascades: found on labelled data, and proved on data that had no part in finding them."""

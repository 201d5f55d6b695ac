"""Softmax of NumPy arrays, outside of any model."""

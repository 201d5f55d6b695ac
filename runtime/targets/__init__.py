"""Instruction sets that code is compiled for, and what this CPU has of them."""

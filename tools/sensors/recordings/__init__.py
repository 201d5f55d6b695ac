"""One file for each format that external meters record; `recordings/registry.py` lists them."""

"""One file for each kind of sensor that can be read here and now; `sensors/registry.py` lists them."""

"""What is known of a device: its target, cores, caches and memory; one TOML file per device, or the host, detected."""

from .catalogue import load, names
from .detect import detect, usable_cpus
from .schema import Cache, Cluster, Profile, ProfileError

__all__ = ["Cache", "Cluster", "Profile", "ProfileError", "detect", "load", "names", "usable_cpus"]

"""What is known of a device: cores, caches, memory, power; one TOML file per device, or the host, detected."""

from .catalogue import load, names, user_folder
from .detect import detect, usable_cpus
from .schema import Cache, Cluster, Energy, Figure, KernelCost, Profile, ProfileError, Rail, Thermal

__all__ = [
    "Cache",
    "Cluster",
    "Energy",
    "Figure",
    "KernelCost",
    "Profile",
    "ProfileError",
    "Rail",
    "Thermal",
    "detect",
    "load",
    "names",
    "usable_cpus",
    "user_folder",
]

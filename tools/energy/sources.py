"""What --source names: a sensor of this computer, a meter that can be asked, or what a meter's program writes."""

from __future__ import annotations

from ..sensors.recordings.format import Settings
from ..sensors.recordings.registry import formats
from ..sensors.registry import open_sensor, sources
from ..sensors.source import SensorError, System
from .recorder import Recorder, SensorRecorder
from .stream import StreamRecorder


def open_recorder(chosen: str | None, system: System, rate: float | None, settings: Settings) -> Recorder:
    """A recorder that has proved to give numbers. chosen: None for the first sensor that does. rate: samples a second,
    at most; None for what is usual. SensorError where there is none."""
    if chosen is not None:
        name, colon, path = chosen.partition(":")
        streams = [format.name for format in formats()]
        if colon and name in streams:
            return StreamRecorder(name, path, settings)
        known = [source.name for source in sources()]
        if name not in known:
            raise SensorError(
                f"there is no source '{name}'; known are {', '.join(known)}, model for a prediction, and for what a "
                f"meter's program writes FORMAT:PATH with {', '.join(streams)}"
            )
    sensor, proof = open_sensor(chosen, system)
    return SensorRecorder(sensor, proof, rate)

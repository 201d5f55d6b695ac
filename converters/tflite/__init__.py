"""TFLite (.tflite) to Graph. Needs the package `tflite`, which the extra millijoule[tflite] installs."""

from ...runtime.errors import Error

try:
    import tflite as _tflite  # noqa: F401
except ImportError as problem:
    raise Error("a .tflite file is read by the package tflite: pip install 'millijoule[tflite]'") from problem

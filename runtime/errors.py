"""The errors and warnings that a caller can act on. Anything else that escapes is a bug in millijoule."""


class Error(Exception):
    """Base of every error that millijoule raises on purpose; its text names the culprit and the way out."""


class ModelError(Error):
    """The model (source or .mj file) is damaged, unsafe or not supported."""


class InputError(Error):
    """An input's name, shape or dtype is not what the model takes."""


class TargetError(Error):
    """A target or device profile does not exist, or this CPU cannot run it."""


class CompilerError(Error):
    """Kernels have to be compiled, and numba, which compiles them, cannot be imported."""


class PreprocessingWarning(UserWarning):
    """An image is fed to a model that does not say how its images are prepared."""


class LabelsWarning(UserWarning):
    """The labels are not as many as the scores."""

"""Imports every file of handlers. Sorted; one line per file."""

from . import of_constants as of_constants
from . import of_control as of_control
from . import of_convolution as of_convolution
from . import of_elements as of_elements
from . import of_integers as of_integers
from . import of_microsoft as of_microsoft
from . import of_normalization as of_normalization
from . import of_parts as of_parts
from . import of_pooling as of_pooling
from . import of_quantization as of_quantization
from . import of_reduction as of_reduction
from . import of_resize as of_resize

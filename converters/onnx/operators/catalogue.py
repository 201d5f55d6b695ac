"""Imports every file of handlers, each of which registers its own. Sorted; one line per file."""

from . import attention as attention
from . import constants as constants
from . import control as control
from . import convolution as convolution
from . import elementwise as elementwise
from . import features as features
from . import integer_products as integer_products
from . import learned as learned
from . import microsoft as microsoft
from . import microsoft_products as microsoft_products
from . import normalization as normalization
from . import pooling as pooling
from . import quantization as quantization
from . import reduction as reduction
from . import resize as resize
from . import sampling as sampling
from . import sequences as sequences
from . import signal as signal
from . import slicing as slicing

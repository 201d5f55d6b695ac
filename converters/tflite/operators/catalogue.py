"""Imports every family of handlers, each of which registers its own. Sorted; one line per file."""

from . import bits as bits
from . import control as control
from . import conv as conv
from . import dense as dense
from . import detection as detection
from . import elementwise as elementwise
from . import gather as gather
from . import joining as joining
from . import matrix as matrix
from . import media_pipe as media_pipe
from . import padding as padding
from . import pool as pool
from . import quantize as quantize
from . import recurrent as recurrent
from . import reduce as reduce
from . import resize as resize
from . import scatter as scatter
from . import select as select
from . import shape as shape
from . import signal as signal
from . import slicing as slicing
from . import space as space
from . import stablehlo as stablehlo
from . import unary as unary
from . import variables as variables
from . import window as window

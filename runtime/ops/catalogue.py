"""Imports every operator file, each of which registers its operators. Sorted; one line per file."""

from . import cast as cast
from . import constant_of_shape as constant_of_shape
from . import expand as expand
from . import flatten as flatten
from . import identity as identity
from . import range as range
from . import reshape as reshape
from . import shape as shape
from . import size as size
from . import slice as slice
from . import split as split
from . import squeeze as squeeze
from . import tile as tile
from . import transpose as transpose
from . import unsqueeze as unsqueeze
from . import where as where

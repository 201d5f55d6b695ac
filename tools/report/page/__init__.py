"""The report as a page: HTML and SVG of our own, without scripts, fonts or anything else from a network."""

"""Post-training quantization: a float graph and samples in, a graph of int8 kernels and what it lost out.

One pass a file, in this order: `prepare` (the float graph), `samples` and `screening` (what it is calibrated with),
`equalize` (channels of like ranges, along `links`), `plan` (which nodes compute on integers), `observe` (histograms of
all samples), `walk` (ranges, rounding and biases, layer by layer; `simple` does without), `emit` (QuantizeLinear and
DequantizeLinear around them, of which the rewrites make integer kernels), `gate` (what was lost). `quantizer` runs
them, `search` runs that several times, `model` does it all. `blame` says of a finished model in which layers it lost
what.
"""

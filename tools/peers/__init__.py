"""Other inference engines: contenders in benchmarks, oracles in comparisons."""

"""The .mj file: a safetensors container whose metadata holds the graph. docs/format.md describes it."""

"""Graph rewrites: one file each. `pipeline.rewrite` applies them all."""

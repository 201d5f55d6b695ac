"""What rewrites are made of: the rewriter, patches, patterns, and what is known of shapes."""

"""Pod logs on a node: the table of its pods, which files were read, and what Fluent Bit's filter counts."""

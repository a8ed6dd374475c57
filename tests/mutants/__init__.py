"""Guards of the pipeline, each removed in turn: a test must fail for it."""

"""Training the demo's model: from lessons to a checkpoint that vLLM loads."""

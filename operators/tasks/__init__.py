"""What a model can be asked: one file a task, one registry."""

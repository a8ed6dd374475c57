"""How true a model's answers about the drawn world are, measured through `tagline run`."""

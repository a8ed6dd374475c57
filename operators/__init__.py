"""What is done to a batch of items: fetch, decode, ask the model, read its answers.

Knows nothing of Ray: every operator is a plain class that takes and returns Arrow
tables, usable in a script or a notebook as it is.
"""

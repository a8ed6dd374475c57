"""The ranges of seeds. They never overlap.

Nothing that a model was trained on can therefore be in the demo, in a test or in an
evaluation:

====================  =================================================
`TRAINING_SEEDS`      for training a model of this world
`VALIDATION_SEEDS`    for watching the training
`TEST_SEEDS`          for measuring what came of it
`DEMO_SEEDS`          for the demo's catalogue and for nothing else
from `RESERVED_SEEDS`  left to others: nothing in this repository uses them
====================  =================================================
"""

TRAINING_SEEDS = range(7_000_000)
VALIDATION_SEEDS = range(7_000_000, 7_500_000)
TEST_SEEDS = range(7_500_000, 8_000_000)
DEMO_SEEDS = range(8_000_000, 9_000_000)
RESERVED_SEEDS = 9_000_000

"""In the trainer's place by ANNEAL_TRAINER_DIR: another `__main__`; the rest (the canary) is the trainer's own."""

import os

_REPOSITORY = os.path.join(os.path.dirname(__file__), "..", "..", "..")
__path__.append(os.path.abspath(os.path.join(_REPOSITORY, "agent", "trainer", "anneal_trainer")))

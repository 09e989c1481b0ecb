"""Downloads one model id in a process of its own and prints the folder or the failure: the hub's library reads its
environment when it is imported."""

import os
import sys

from anneal_trainer.base_models import prepare
from anneal_trainer.config import BaseModel
from anneal_trainer.failures import TrainerFailure

try:
    print("folder", prepare(BaseModel("hub", id=sys.argv[1]), "unused", os.environ.pop("HF_TOKEN", None)))
except TrainerFailure as failure:
    print(failure.reason, " ".join(failure.message.split()))

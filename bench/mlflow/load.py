"""`load.py FOLDER STEPS`: two runs in an MLflow store of its own, with the very numbers of bench/benchmarks/metrics.ts.

The runs and their first rows are made by MLflow's client, so that the tables are its own; the other rows are copies of
those with another step and value, put into its SQLite directly, since by HTTP a million would take an hour. What is
compared is reading. Prints the runs' ids as JSON.
"""

import json
import os
import sqlite3
import sys

from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

KEYS = ["loss", "grad_norm", "learning_rate"]
START_MS = 1_700_000_000_000


def main(folder: str, steps: int) -> None:
    """Make the store and both runs."""
    database = os.path.join(folder, "mlflow.db")
    client = MlflowClient(tracking_uri=f"sqlite:///{database}")
    experiment = client.create_experiment("bench", artifact_location=os.path.join(folder, "artifacts"))
    ids = {}
    for every in (1, 7):
        run = client.create_run(experiment).info.run_id
        logged = range(0, steps, every)
        for step in (logged[-1], logged[0]):
            client.log_batch(run, metrics=[Metric(key, value(key, step), START_MS + step, step) for key in KEYS])
        with sqlite3.connect(database) as connection:
            rows = ((key, value(key, step), START_MS + step, run, step) for step in logged[1:-1] for key in KEYS)
            connection.executemany(
                "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)", rows
            )
        ids[str(every)] = run
    print(json.dumps(ids))


def value(key: str, step: int) -> float:
    """As in metrics.ts, to the last bit."""
    return (KEYS.index(key) + 1) / (1 + step)


main(sys.argv[1], int(sys.argv[2]))

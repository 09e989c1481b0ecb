"""veri-sdk's own quick start, with our address, a tiny model and the GPU that `create` asks for. Ends with JSON."""

import json
import os
import sys

from veri_sdk import Client

client = Client(api_key=sys.argv[2], base_url=sys.argv[1])

# Upload a dataset
dataset = client.datasets.upload("training_data.jsonl", name="my-dataset")

# Upload a reward function
reward = client.reward_functions.upload("reward.py", name="math-reward")

# Start a GRPO training job
job = client.training_jobs.create(
    base_model="anneal/tiny-llama",
    dataset_id=dataset.id,
    reward_function_id=reward.id,
    output_name="my-fine-tuned-model",
    gpu_type="A100-80GB",
    gpu_count=1,
    hyperparameters={
        "learning_rate": 1e-6,
        "max_steps": 5,
        "rollouts_per_prompt": 4,
        "max_response_length": 8,
    },
)

print(f"Job {job.id} — status: {job.status}")

# Wait for completion
job.wait(poll_interval=1)
print(f"Done! Status: {job.status}")

# Download checkpoint
if job.download_url:
    job.download("./checkpoints")

folder = os.path.join("checkpoints", job.id)
files = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
print(json.dumps({"status": job.status, "job_id": job.id, "dir": folder, "files": files}))

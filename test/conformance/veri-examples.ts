/** The documented answers, as the contract and its companion have them. */

export const CREATED_JOB = `{
  "id": "job_xyz789",
  "object": "training_job",
  "status": "queued",
  "base_model": "Qwen/Qwen3-4B",
  "dataset_id": "ds_abc123",
  "reward_function_id": "rf_def456",
  "method": "grpo",
  "output_name": "qwen3-4b-math",
  "hyperparameters": {
    "learning_rate": 1e-6,
    "num_epochs": 1,
    "max_steps": null,
    "rollouts_per_prompt": 8,
    "kl_coef": 0.001,
    "max_prompt_length": 1024,
    "max_response_length": 2048,
    "global_batch_size": 64,
    "seed": 42
  },
  "dashboard_url": null,
  "download_url": null,
  "error": null,
  "gpu": null,
  "gpu_requested": {
    "type": "A100-80GB",
    "count": 1
  },
  "provider": null,
  "duration_seconds": null,
  "cost_usd": null,
  "started_at": null,
  "completed_at": null,
  "created_at": "2026-04-14T12:10:00Z"
}`;

export const RUNNING_JOB = `{
  "id": "job_xyz789",
  "object": "training_job",
  "status": "running",
  "base_model": "Qwen/Qwen3-4B",
  "dataset_id": "ds_abc123",
  "reward_function_id": "rf_def456",
  "method": "grpo",
  "output_name": "qwen3-4b-math",
  "hyperparameters": {
    "learning_rate": 1e-6,
    "num_epochs": 1,
    "max_steps": null,
    "rollouts_per_prompt": 8,
    "kl_coef": 0.001,
    "max_prompt_length": 1024,
    "max_response_length": 2048,
    "global_batch_size": 64,
    "seed": 42
  },
  "dashboard_url": "https://Training in progress",
  "download_url": null,
  "error": null,
  "gpu": {
    "type": "A100-80GB",
    "count": 1
  },
  "gpu_requested": {
    "type": "A100-80GB",
    "count": 1
  },
  "provider": "prime_intellect",
  "cost_usd": null,
  "created_at": "2026-04-14T12:10:00Z",
  "started_at": "2026-04-14T12:11:00Z",
  "completed_at": null
}`;

export const JOB_LIST = `{
  "object": "list",
  "data": [
    {
      "id": "job_xyz789",
      "object": "training_job",
      "status": "running",
      "base_model": "Qwen/Qwen3-4B",
      "method": "grpo",
      "output_name": "qwen3-4b-math",
      "provider": "prime_intellect",
      "dashboard_url": "https://Training in progress",
      "created_at": "2026-04-14T12:10:00Z",
      "started_at": "2026-04-14T12:11:00Z"
    }
  ],
  "has_more": false
}`;

export const CANCELLED_JOB = `{
  "id": "job_xyz789",
  "object": "training_job",
  "status": "cancelled"
}`;

export const METRICS = `{
  "metrics": [
    { "step": 0, "values": { "loss": 1.42, "reward": 0.10 } },
    { "step": 5, "values": { "loss": 1.31, "reward": 0.18 } },
    { "step": 10, "values": { "loss": 1.20, "reward": 0.25 } }
  ],
  "available_keys": ["loss", "reward", "kl", "learning_rate"],
  "latest_step": 1234
}`;

export const DATASET = `{
  "id": "ds_abc123",
  "object": "dataset",
  "name": "math",
  "source_type": "upload",
  "source_uri": null,
  "huggingface_dataset": null,
  "num_rows": 2,
  "created_at": "2026-04-14T12:10:00Z"
}`;

export const REWARD_FUNCTION = `{
  "id": "rf_def456",
  "object": "reward_function",
  "name": "exact",
  "format": "trl",
  "created_at": "2026-04-14T12:10:00Z"
}`;

export const NEW_API_KEY = `{
  "id": "abc123def456",
  "object": "api_key",
  "name": "production",
  "key_prefix": "vk_a1b2c3d4",
  "key": "vk_a1b2c3d4",
  "created_at": "2026-04-14T12:10:00Z",
  "last_used_at": null
}`;

/** The body of the contract's request; the ids are put in by the test. */
export const CREATE_REQUEST = {
  base_model: "Qwen/Qwen3-4B",
  method: "grpo",
  output_name: "qwen3-4b-math",
  hyperparameters: {
    learning_rate: 1e-6,
    num_epochs: 1,
    rollouts_per_prompt: 8,
    max_response_length: 2048,
    global_batch_size: 64,
  },
  gpu: { type: "A100-80GB", count: 1 },
  checkpoint_destination: { type: "veri" },
};

/** Compares names, order, nulls and values, with ids, keys and times made equal. */
export function masked(value: unknown): string {
  return JSON.stringify(value, null, 2)
    .replaceAll(/"(job|ds|rf)_[0-9a-z]+"/g, '"$1_ID"')
    .replaceAll(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"/g, '"TIME"');
}

"""The small model server: deployments of one engine behind OpenAI's requests, on a machine without vLLM."""

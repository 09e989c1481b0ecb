"""Anneal's trainer: SFT and GRPO on TRL, run by the agent as `python -m anneal_trainer CONFIG.json`."""

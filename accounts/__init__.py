"""Accounts, users and API keys; knows nothing of models or providers."""

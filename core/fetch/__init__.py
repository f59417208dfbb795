"""Fetches files from URLs that others name: addresses decide, the guard connects, fetchers read."""

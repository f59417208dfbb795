"""What is on offer, as data: models, channels and prices in TOML, and their loader."""

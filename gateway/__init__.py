"""The composition root: opens everything the gateway is made of, and the `reapi` command."""

"""The gRPC side of the gateway: choose a channel, call it, stream, fail over."""

"""An in-process gRPC channel: generated stubs call servicers without a socket."""

"""What people may ask of their data: archives of it, and its erasure."""

"""Where state lives: PostgreSQL (ours or yours) and media objects. Knows no other package."""

"""Users' teams, roles, API tokens, audit log, encryption of secrets: who may do what."""

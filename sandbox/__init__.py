"""AWS, PostgreSQL, Valkey and a git host on this machine, for `make up` and the tests. Nothing imports it."""

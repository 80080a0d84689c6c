"""What the panel keeps in Valkey: the cache and the messages to workers.

Neither is trusted. Who can write to Valkey can delete entries and fill its memory, and nothing else: each entry and
each message carries a signature made with SECRET_KEY, and none is ever unpickled. Neither is needed: without Valkey
the cache is empty, and the tick finds the rows that a lost message was about.
"""

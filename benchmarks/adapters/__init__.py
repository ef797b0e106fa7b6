"""One system a file, each behind the same few words: see `protocol.py`."""

"""The tests: `unit` needs nothing but Python; the others take real parts (see `conftest.py`)."""

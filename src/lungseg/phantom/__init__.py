"""Chests whose lungs are known exactly: `radiograph` and `ct`."""

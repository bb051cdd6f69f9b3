"""Chests whose structures are known exactly: `radiograph` and `ct`."""

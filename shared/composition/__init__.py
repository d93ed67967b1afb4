"""The composition root's parts: which store, which routes, what happens at the end."""

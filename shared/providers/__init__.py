"""Adapters: provider x wire format x model data, over one pooled HTTP session."""

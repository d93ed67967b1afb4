"""Durable work: jobs with states, steps and fences, and the tickets that have them done."""

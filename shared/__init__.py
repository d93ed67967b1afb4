"""The core module of CODEEX Router, imported by every deployed function.

Rooms depend downwards only: edge -> pipeline -> (classify, routing, limits) ->
(catalog, providers, telemetry) -> (settings, errors, messages, model, clock, tokens).
"""

VERSION = "3.3.0"

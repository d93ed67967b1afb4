"""The chat function: the one entry point of its deployment. All logic lives in ``shared``."""

import functions_framework.aio
from starlette.requests import Request
from starlette.types import ASGIApp

from shared.app import FunctionApp

application = FunctionApp("chat")


@functions_framework.aio.http
async def chat(_request: Request) -> ASGIApp:
    """Hand the request, unread, to the ASGI application."""
    return application

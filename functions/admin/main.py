"""The admin function: what administrators see and change. All logic lives in ``shared``."""

from typing import cast

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared.app import FunctionApp

application = FunctionApp("admin")


@functions_framework.aio.http
async def admin(_request: Request) -> Response:
    """Hand the request, unread, to the application: any ASGI application passes as a response."""
    return cast(Response, application)

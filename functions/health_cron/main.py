"""The health-cron function: called by Cloud Scheduler alone. All logic lives in ``shared``."""

from typing import cast

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared.app import FunctionApp

application = FunctionApp("health-cron")


@functions_framework.aio.http
async def health_cron(_request: Request) -> Response:
    """Hand the request, unread, to the application: any ASGI application passes as a response."""
    return cast(Response, application)

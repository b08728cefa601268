"""The HTTP routes: those that rank and score, and those that tell of the server."""

from service.api.routes.ranking import RANKING_ROUTES
from service.api.routes.state import STATE_ROUTES

ROUTES = [*RANKING_ROUTES, *STATE_ROUTES]

"""What every view of the API does before its own work."""

from typing import Any

from rest_framework import views, viewsets
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request


class APIView(views.APIView):
    """DRF's, except that a body is read, and refused if it can't be, also where a view has no use for one."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method not in SAFE_METHODS and not self._is_empty_form(request):
            _ = request.data

    def _is_empty_form(self, request: Request) -> bool:
        """True for the form without fields that some clients send when they are told to send nothing."""
        if MultiPartParser in self.parser_classes or not request.content_type.startswith("multipart/"):
            return False
        return not (request._request.POST or request._request.FILES)


class ViewSet(viewsets.ViewSetMixin, APIView):
    """A view with an action for each method of a route."""

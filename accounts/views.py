"""`/api/auth`: who is signed in, and signing in and out without Google."""

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.authentication import current_user
from accounts.models import User
from accounts.serializers import MessageSerializer, StatusSerializer, UserSerializer
from config.api.views import APIView
from config.exceptions import Gone


class MeView(APIView):
    @extend_schema(operation_id="auth_me", summary="The signed-in person", responses=UserSerializer, tags=["auth"])
    def get(self, request: Request) -> Response:
        return Response(UserSerializer(current_user(request)).data)


class StatusView(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="auth_status", summary="Is anybody signed in?", responses=StatusSerializer, tags=["auth"]
    )
    def get(self, request: Request) -> Response:
        user = request.user if isinstance(request.user, User) else None
        return Response({"authenticated": user is not None, "user": UserSerializer(user).data if user else None})


class LogoutView(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="auth_logout", summary="Sign out", request=None, responses=MessageSerializer, tags=["auth"]
    )
    def post(self, request: Request) -> Response:
        logout(request._request)
        response = Response({"message": "Signed out."})
        response.delete_cookie(settings.SESSION_COOKIE_NAME, samesite=settings.SESSION_COOKIE_SAMESITE)  # type: ignore[arg-type]
        return response


class LoginLinkView(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="auth_login_link",
        summary="Sign in with a link made on the server",
        responses={302: OpenApiResponse(description="Signed in; goes to `next`, a path of this server.")},
        tags=["auth"],
    )
    def get(self, request: Request, token: str) -> HttpResponseBase:
        try:
            user = services.redeem_login_link(token=token)
        except Gone as error:
            if isinstance(request.user, User):  # the same link opened twice in one browser
                return HttpResponseRedirect(_next(request, request.user))
            return render(request._request, "account/link_expired.html", {"reason": error.detail}, status=410)
        services.sign_in(request=request._request, user=user)
        return HttpResponseRedirect(_next(request, user))

    def head(self, request: Request, token: str) -> HttpResponseBase:
        """Spends nothing: programs that preview links ask like this."""
        return Response()


def _next(request: Request, user: User) -> str:
    asked = request.query_params.get("next", "")
    if asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None):
        return asked
    return "/admin/" if user.is_operator else "/"

"""`/api/auth`: who is signed in and where, and signing in and out, with Google or without."""

import logging

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import audit, google, services
from accounts.authentication import current_user
from accounts.models import User
from accounts.serializers import (
    MessageSerializer,
    SessionListSerializer,
    SessionSerializer,
    StatusSerializer,
    UserSerializer,
)
from accounts.sessions import digest
from config.api.ids import parse_id
from config.api.views import APIView, ViewSet
from config.exceptions import Forbidden, Gone, Unavailable

log = logging.getLogger(__name__)


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
        who = UserSerializer(user).data if user else None
        return Response({"authenticated": user is not None, "user": who, "google": google.is_configured()})


class LoginView(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="auth_login",
        summary="Sign in with Google",
        responses={302: OpenApiResponse(description="Goes to Google, which sends the browser to the callback.")},
        tags=["auth"],
    )
    def get(self, request: Request) -> HttpResponseBase:
        return google.consent(request._request)

    def head(self, request: Request) -> HttpResponseBase:
        """Begins nothing."""
        return Response()


class CallbackView(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="auth_callback",
        summary="Where Google sends the browser back to",
        responses={302: OpenApiResponse(description="To the page: signed in, or with `?error=` and why not.")},
        tags=["auth"],
    )
    def get(self, request: Request) -> HttpResponseBase:
        if "error" in request.query_params:
            return _refused("oauth_error")
        try:
            user = services.user_of_google(google.identify(request._request))
        except Forbidden as error:
            audit.record("session.refused", outcome=audit.REFUSED, resource="google", after={"reason": error.detail})
            return _refused("auth_failed")
        except Unavailable as error:
            log.warning("Signing in with Google failed: %s", type(error.__cause__).__name__)
            return _refused("server_error")
        services.sign_in(request=request._request, user=user, keep=[google.PENDING])
        return HttpResponseRedirect(f"{settings.FRONTEND_URL}/")

    def head(self, request: Request) -> HttpResponseBase:
        """Spends nothing."""
        return Response()


def _refused(why: str) -> HttpResponseRedirect:
    page = f"{settings.FRONTEND_URL}/login" if settings.FRONTEND_URL else "/"
    return HttpResponseRedirect(f"{page}?error={why}")


class SessionViewSet(ViewSet):
    @extend_schema(summary="Where you are signed in", responses=SessionListSerializer, tags=["auth"])
    def list(self, request: Request) -> Response:
        sessions = services.sessions_of(current_user(request))
        context = {"digest": digest(request._request.session.session_key)}
        return Response({"sessions": SessionSerializer(sessions, many=True, context=context).data})

    @extend_schema(summary="Sign one browser out", responses=MessageSerializer, tags=["auth"])
    def destroy(self, request: Request, session_id: str) -> Response:
        services.end_session(user=current_user(request), session_id=parse_id(session_id, "session"))
        return Response({"message": "The session was ended."})

    @extend_schema(summary="Sign all other browsers out", responses=MessageSerializer, tags=["auth"])
    def destroy_others(self, request: Request) -> Response:
        key = request._request.session.session_key
        ended = services.end_other_sessions(user=current_user(request), key=key)
        return Response({"message": f"Other sessions ended: {ended}."})


class CleanupView(APIView):
    @extend_schema(
        operation_id="auth_cleanup",
        summary="Delete sessions and sign-in links that are over; for operators",
        responses=MessageSerializer,
        tags=["auth"],
    )
    def delete(self, request: Request) -> Response:
        _ = request.data
        if not current_user(request).is_operator:
            raise Forbidden("Only operators clean up.")
        return Response({"message": f"Deleted what was over: {services.clear_expired()}."})


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
        responses={
            302: OpenApiResponse(description="Signed in; goes to `next`, a path of this server."),
            (410, "text/html"): OpenApiResponse(str, description="The link was used already or has expired."),
        },
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

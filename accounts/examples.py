"""What the API's document shows of signing in and of sessions."""

from collections.abc import Mapping

from config.api.operation import Operation

USER = {"id": 7, "email": "ada@example.org", "name": "Ada Lovelace"}
SESSION = {
    "id": 31,
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "address": "192.0.2.17",
    "created_at": "2026-11-20T08:02:11.204518+00:00",
    "last_used_at": "2026-11-22T09:57:40.118203+00:00",
    "expires_at": "2026-12-20T08:02:11.204518+00:00",
    "is_current": True,
}

OPERATIONS: Mapping[str, Operation] = {
    "auth_me": Operation(answer=USER),
    "auth_status": Operation(answer={"authenticated": True, "user": USER, "google": True}),
    "auth_login": Operation(codes={503: ["google_not_configured"]}),
    "auth_callback": Operation(
        description="Only for a browser on its way back from Google; whoever is refused goes to the sign-in page, with "
        "`?error=` naming why."
    ),
    "auth_login_link": Operation(
        description="Works once, for a day. `?next=` names a path of this server to go to afterwards."
    ),
    "auth_logout": Operation(
        description="Always clears the cookie, also of somebody who was not signed in.",
        answer={"message": "Signed out."},
    ),
    "auth_cleanup": Operation(answer={"message": "Deleted what was over: 12."}),
    "session_list": Operation(answer={"sessions": [SESSION]}),
    "session_destroy": Operation(answer={"message": "The session was ended."}),
    "session_destroy_others": Operation(answer={"message": "Other sessions ended: 2."}),
}

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerView

from chat.file_views import LinkView
from config import views
from config.api.renderers import JSONRenderer

urlpatterns = [
    path("", views.root),
    path("health", views.health),
    path("health/ready", views.ready),
    path("problems/<slug:code>", views.problem),
    path("files/<str:token>", LinkView.as_view()),
    path("openapi.json", SpectacularJSONAPIView.as_view(renderer_classes=[JSONRenderer]), name="schema"),
    path("docs", SpectacularSwaggerView.as_view(url_name="schema")),
    path("redoc", SpectacularRedocView.as_view(url_name="schema")),
    path("api/integrations", views.IntegrationViewSet.as_view({"get": "list"})),
    path("api/auth/", include("accounts.urls")),
    path("api/", include("drafts.urls")),  # before conversations: `conversations/import` is no id
    path("api/", include("chat.urls")),
    path("api/", include("conversations.urls")),
    path("api/", include("llmconfig.urls")),
    path("api/", include("search.urls")),
    path("admin/", admin.site.urls),
]
handler400 = "config.api.errors.bad_request"
handler403 = "config.api.errors.permission_denied"
handler404 = "config.api.errors.not_found"
handler500 = "config.api.errors.server_error"

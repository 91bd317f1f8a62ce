from django.urls import path

from accounts import views

urlpatterns = [
    path("login", views.LoginView.as_view()),
    path("callback", views.CallbackView.as_view()),
    path("sessions", views.SessionViewSet.as_view({"get": "list", "delete": "destroy_others"})),
    path("sessions/<str:session_id>", views.SessionViewSet.as_view({"delete": "destroy"})),
    path("cleanup", views.CleanupView.as_view()),
    path("me", views.MeView.as_view()),
    path("status", views.StatusView.as_view()),
    path("logout", views.LogoutView.as_view()),
    path("login-link/<str:token>", views.LoginLinkView.as_view()),
]

from django.urls import path

from accounts import views

urlpatterns = [
    path("me", views.MeView.as_view()),
    path("status", views.StatusView.as_view()),
    path("logout", views.LogoutView.as_view()),
    path("login-link/<str:token>", views.LoginLinkView.as_view()),
]

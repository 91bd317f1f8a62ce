from django.urls import path

from search.views import SearchViewSet

urlpatterns = [
    path("search", SearchViewSet.as_view({"get": "list"})),
    path("search/similar", SearchViewSet.as_view({"get": "similar"})),
]

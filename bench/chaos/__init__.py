"""Kills, freezes and cuts off the real processes under load, and looks whether anything was lost or done twice."""

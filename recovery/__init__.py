"""Repairs what died; never knows a worker."""

"""Stands in for Maya's own package."""

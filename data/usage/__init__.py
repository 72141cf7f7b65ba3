"""Demand and utilisation, as tables of the lake."""

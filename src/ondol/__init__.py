"""Ondol: one self-hosted platform to build, run and answer for AI applications."""

__version__ = "0.1.0"

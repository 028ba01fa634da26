"""A sandbox for code that nobody trusts: what a model wrote, and the tests of it. Where this machine cannot isolate it, it is not run."""

from ondol.application.evaluation.sandbox.run import Limits, Ran, Trial, build_walls, run_trial, run_trial_now, walls_here
from ondol.application.evaluation.sandbox.walls import WAYS, Walls, Way

__all__ = ["WAYS", "Limits", "Ran", "Trial", "Walls", "Way", "build_walls", "run_trial", "run_trial_now", "walls_here"]

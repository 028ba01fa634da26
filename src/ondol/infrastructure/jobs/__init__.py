"""Background jobs: procrastinate tasks on the same Postgres, periodic ones too. Arguments are ids only, since all app connections read them."""

from ondol.infrastructure.jobs.app import JobApp, create_job_app, run_jobs

__all__ = ["JobApp", "create_job_app", "run_jobs"]

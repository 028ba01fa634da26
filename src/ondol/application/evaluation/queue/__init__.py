"""The queue of runs that a job worker carries out. It knows ids alone, so that the worker stays small until one waits."""

"""The one place where objects are built and joined.

`stores` runs Postgres, `platform` opens what the rooms are built on, `http` and `jobs` build the two kinds of workers. Import from them: this
package itself imports nothing, so that the supervisor stays small.
"""

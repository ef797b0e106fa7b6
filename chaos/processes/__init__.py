"""Chaos on real processes: real workers on a real server, hurt for minutes and judged by what is left to see.

`run.run_processes` plays one run. Who is who: `workload` says what is asked for, `tasks` does it, `outside` remembers
what the world saw; `fleet` holds the workers, `nemesis` hurts them as a `plan` says, `evidence` writes the history.
"""

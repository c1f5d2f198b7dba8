"""Long work on a system's log, as jobs: on Ray, or in this process; resumed where they were lost.

`work` says what a job is, `kinds` which there are, `journal` keeps their progress in the log, `run`
does one, `submission` hands one to Ray's Jobs API.
"""

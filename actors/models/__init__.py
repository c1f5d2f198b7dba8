"""Language models: one port, and what stands behind it.

`port.py` says what a model is asked and what it says; one file each speaks to a kind of provider;
`failover.py` puts several behind one port, with deadlines, retries, breakers and budgets. Nothing
here is on the way of a replay: what a model said is in the log.
"""

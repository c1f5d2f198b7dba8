"""The gateway: HTTP in, events and answers out.

`gateway` is the FastAPI application and one module a group of routes; `backend` is the port through
which it reaches log and agents; `deployment` puts it on Ray Serve. The only package that speaks
HTTP.
"""

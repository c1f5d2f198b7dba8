"""The nine agents.

Each agent is a pure decider (`decide(state, event) -> effects`), a shell that runs the effects and
appends what came of them, and a Ray actor that hosts the shell.
"""

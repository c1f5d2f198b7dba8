"""Putting a person's memories in order.

What is said twice is merged, what is contradicted ends, what nobody came back to fades. `limits`
bounds it, `likeness` says when two memories say the same, `steps` is what is done, `passes` finds
the steps, `asking` lets a language model propose more of them, `answering` makes effects of them.
"""

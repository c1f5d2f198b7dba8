"""The search agent's index: everything a person may want found again, scoped by person.

`passage` holds the values in and out; `words_tantivy` cuts text into terms, `word_index_tantivy`
scores them; `question` reads what is asked; `signals` measures every candidate and `ranking` fuses
the measures; `relevance` tells whether a hit is about the question at all; `shelf` keeps one
person's passages and `index` all of them.
"""

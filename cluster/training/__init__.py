"""Training a ranker: from labelled questions and judged searches to weights and their report."""

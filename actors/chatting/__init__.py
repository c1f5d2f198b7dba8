"""Chat: what an answer is made of, from the topic of a message to the citations in its text."""

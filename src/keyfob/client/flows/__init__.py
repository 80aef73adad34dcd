"""The flows: one coroutine for each grant, and the choice between them."""

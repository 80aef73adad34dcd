"""The workshop: fakes, people and contract checks, for our tests and for our users'."""

"""A room as small as can be, which the tests of the workflow put among the papers of a copy of the project."""

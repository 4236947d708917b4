"""The four verbs (train, measure, judge, draw), a module each: each has its own code fingerprint."""

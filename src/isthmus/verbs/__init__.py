"""The four verbs (train, measure, judge, draw), one module each, so that each has its own code fingerprint."""

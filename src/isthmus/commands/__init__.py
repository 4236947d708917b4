"""Subcommands that look at the project and keep it: one file each, with a function `run` of the command's words."""

"""One file per optimizer: init and update on rows."""

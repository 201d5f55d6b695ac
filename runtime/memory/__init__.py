"""The memory of earlier answers: what was asked before is looked up instead of computed."""

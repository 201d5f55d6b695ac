"""The `mj` command: one file per subcommand."""

"""Models as the command line names them, what is fed to them and what can be said of them."""

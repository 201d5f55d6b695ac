"""Commands that run on a board over ssh, with kernels compiled here."""

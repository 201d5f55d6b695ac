"""What the operating system and the standard library give: memory and digests."""

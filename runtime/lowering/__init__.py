"""How operators become kernel calls: one file per operator or family, each with `@lowers`."""

"""A planned model, and what a lowering writes it with: views, borders, kernel calls, packed constants."""

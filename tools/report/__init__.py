"""How results reach people and programs."""

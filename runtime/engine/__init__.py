"""From a plan to something that runs: memory, helper threads, the step table, the engine that sessions share."""

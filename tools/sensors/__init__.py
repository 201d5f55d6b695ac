"""Where watts and joules come from: sensors that are read while a model runs, and recordings of external meters."""

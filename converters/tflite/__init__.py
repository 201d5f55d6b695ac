"""TFLite (.tflite) to Graph. Needs the package `tflite`, which the extra millijoule[tflite] installs."""

"""Query-adaptive convolution and temporal lifting: the mathematics, free of HTTP and Redis."""

"""Random changes of training crops, one for each crop of a batch, on tensors.

All take float32 [n, 3, h, w] with values of 0 to 255 and a CPU generator, and return the same shape and device.
"""

"""The gallery in the device's memory."""

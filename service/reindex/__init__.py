"""A new model: feature maps made anew from the stored crops, the switch to them, and how rankings change by it."""

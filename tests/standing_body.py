"""Somebody of average build and height 1 who stands still, as the numbers of hand-worked tests."""

from training.synthetic.people.body import Body
from training.synthetic.people.pose import Gesture, Pose

BODY = Body(
    height=1.0, width=1.0, depth=1.0, shoulders=1.0, hips=1.0, waist=1.0, belly=0.0, bust=0.0, limb_girth=1.0,
    head=1.0, leg_length=0.0, stoop=0.0, feet=1.0,
)  # fmt: skip
STANDING = Pose(
    phase=0.0, stride=0.0, knee=0.0, arm_swing=0.0, elbows=(0.2, 0.2), spread=(0.1, 0.1),
    gestures=(Gesture.SWING, Gesture.SWING), lean=(0.0, 0.0), twist=0.0, head_yaw=0.0, head_pitch=0.0, feet=(0.1, 0.1),
    creases=0,
)  # fmt: skip

"""How a detection's ID is cut out of a path: with its slashes, so that an ID with one is refused as an ID (422) and not
as an unknown path (404), but without the parts of a detection, whose paths have methods of their own (405).
"""

from starlette.convertors import PathConvertor, register_url_convertor

DETECTION_PATH = "/detections/{detection_id:detection}"


class _DetectionConvertor(PathConvertor):
    regex = "(?!.+/(?:image|feature_map)$).*"


# Starlette knows convertors by name, and looks for them while routes are declared.
register_url_convertor("detection", _DetectionConvertor())

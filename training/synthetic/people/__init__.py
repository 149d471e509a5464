"""How people look and move: bodies, clothes, hair, bags, and moments of a walk. Nothing here is drawn yet."""

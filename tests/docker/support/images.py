"""Images made of others."""

import contextlib
import uuid


@contextlib.contextmanager
def lesser_image(client, image, *absent):
    """Make an image that lacks some files of another."""
    name = f"chaoslab/test:{uuid.uuid4().hex[:8]}"
    made = client.containers.run(image, ["sh", "-c", f"rm -f {' '.join(absent)}"], detach=True, network_mode="none")
    try:
        made.wait(timeout=120)
        made.commit(*name.split(":"))
    finally:
        made.remove(force=True)
    yield name
    client.images.remove(name, force=True)

"""What the renderers keep in settings of their own: V-Ray its image size, V-Ray and Redshift their image format."""

from .mayacmds import cmds

NAMES = {
    "mayaSoftware": "sw",
    "mayaHardware2": "hw2",
    "arnold": "arnold",
    "vray": "vray",
    "redshift": "redshift",
    "renderman": "renderman",
}
"""What Maya calls a renderer -> what `Render -r` is called with; any other goes as the scene says."""
_REDSHIFT = (
    ("exr", "exr"),
    ("png", "png"),
    ("tga", "tga"),
    ("targa", "tga"),
    ("jp", "jpg"),
    ("tif", "tif"),
    ("iff", "iff"),
)
"""A piece of what Redshift's menu calls a format -> extension: the numbers behind it differ between its versions."""


def size(renderer):
    """Width and height of the images, in pixels."""
    node = "vraySettings" if renderer == "vray" and cmds.objExists("vraySettings") else "defaultResolution"
    return int(cmds.getAttr(node + ".width") or 0), int(cmds.getAttr(node + ".height") or 0)


def with_extension(renderer, name):
    """An image's name with the extension that the renderer gives it; Maya does not know those of V-Ray and Redshift."""
    extension = ""
    if renderer == "vray" and cmds.objExists("vraySettings"):
        # None until the artist has chosen another one than the first; "exr (multichannel)"
        extension = str(cmds.getAttr("vraySettings.imageFormatStr") or "png").split(" ")[0]
    elif renderer == "redshift" and cmds.objExists("redshiftOptions"):
        words = str(cmds.getAttr("redshiftOptions.imageFormat", asString=True) or "").lower()
        extension = next((ending for piece, ending in _REDSHIFT if piece in words), "")
    if not extension:
        return name
    stem, _, last = name.rpartition("#.")
    if stem and "." not in last:
        return "%s#.%s" % (stem, extension)
    return "%s.%s" % (name, extension)

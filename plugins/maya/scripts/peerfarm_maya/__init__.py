"""peerfarm in Maya: sends the open scene to the farm and shows how it goes. Python 3.7, standard library only."""

VERSION = "0.1.0"

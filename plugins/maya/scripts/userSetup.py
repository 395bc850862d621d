"""Maya runs this at its start, before its window is there: it only asks for the menu, and does nothing in batch."""


def _begin():
    try:
        from peerfarm_maya import mayacmds

        mayacmds.at_start("import peerfarm_maya.menu; peerfarm_maya.menu.install()")
    except Exception as error:  # Maya must start whatever is wrong with us
        print("peerfarm: the menu could not be made: %s" % error)


_begin()
del _begin

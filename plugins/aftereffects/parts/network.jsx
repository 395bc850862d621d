// After Effects lets scripts talk to other programs only where the artist allowed it; without that nothing works.

PF.network = {};

PF.network.isAllowed = function () {
    var sections = ["Main Pref Section v2", "Main Pref Section"], i;
    for (i = 0; i < sections.length; i += 1) {
        try {
            if (app.preferences.havePref(sections[i], "Pref_SCRIPTING_FILE_NETWORK_SECURITY")) {
                return app.preferences.getPrefAsLong(sections[i], "Pref_SCRIPTING_FILE_NETWORK_SECURITY") === 1;
            }
        } catch (ignored) {
            continue;
        }
    }
    return false;
};

PF.network.explain = function () {
    return "After Effects does not let panels talk to peerfarm yet. Open Preferences > Scripting & Expressions, tick " +
        "\"Allow Scripts to Write Files and Access Network\", and press Refresh.";
};

// By its number, for the menu's words are other ones in each language; in a turn of its own, since a command that a
// button calls does nothing.
PF.network.openPreferences = function () { app.scheduleTask("app.executeCommand(3131)", 1, false); };

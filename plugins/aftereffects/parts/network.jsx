// After Effects lets scripts talk to other programs only where the artist allowed it; without that nothing works.

PF.network = {};

PF.network.SECTIONS = ["Main Pref Section v2", "Main Pref Section"];
PF.network.KEY = "Pref_SCRIPTING_FILE_NETWORK_SECURITY";

// Versions keep the preference in different sections and files, and may leave an old one behind: a yes anywhere counts.
// Where none is found at all, the connection itself will tell.
PF.network.isAllowed = function () {
    var kinds = [PREFType.PREF_Type_MACHINE_INDEPENDENT, PREFType.PREF_Type_MACHINE_SPECIFIC];
    var isDenied = false, i, j, value;
    for (i = 0; i < PF.network.SECTIONS.length; i += 1) {
        for (j = 0; j < kinds.length; j += 1) {
            value = PF.network.read(PF.network.SECTIONS[i], kinds[j]);
            if (value === 1) { return true; }
            if (value === 0) { isDenied = true; }
        }
    }
    return !isDenied;
};

// 1, 0, or null where there is no such preference.
PF.network.read = function (section, kind) {
    try {
        if (!app.preferences.havePref(section, PF.network.KEY, kind)) { return null; }
        return app.preferences.getPrefAsLong(section, PF.network.KEY, kind);
    } catch (ignored) {
        return null;
    }
};

PF.network.explain = function () {
    return "After Effects does not let panels talk to peerfarm yet. Open Preferences > Scripting & Expressions, tick " +
        "\"Allow Scripts to Write Files and Access Network\", and press Refresh.";
};

// By its number, for the menu's words are other ones in each language; in a turn of its own, since a command that a
// button calls does nothing.
PF.network.openPreferences = function () { app.scheduleTask("app.executeCommand(3131)", 1, false); };

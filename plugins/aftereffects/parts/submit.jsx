// From what the project says and what the artist chose to the job; the panel's button and scripts take this one way.

PF.submit = {};

PF.submit.UNSAVED = {
    known: "The project has changes that are not saved, and machines render what is saved. Save and send?",
    unknown: "Machines render what is saved, and this After Effects does not say whether all is. Save and send?"
};
// The first version that renders several frames side by side.
PF.submit.SEVERAL_SINCE = 22;
PF.submit.MANY = 4000;
PF.submit.LETTERS = 700000;
// What stands for a frame's number anywhere in a job.
PF.submit.NUMBERS = /#|%0?\d*d|\$F\d?/;
PF.submit.BAD_NAME = /[\\\/:*?"<>|\x00-\x1f]/;

// What speaks against sending: {kind: "stop" | "ask" | "note", sentence, remedy}.
PF.submit.check = function (said) {
    var found = [], seen = {}, i, item, key;

    function say(kind, sentence, remedy) { found.push({ kind: kind, sentence: sentence, remedy: remedy }); }

    if (!app.project) {
        say("stop", "No project is open.", "Open one.");
        return found;
    }
    if (said.path === "") {
        say("stop", "The project was never saved.", "Save it, then send it.");
    }
    if (said.items.length === 0) {
        say("stop", "Nothing is queued in the render queue.", "Add a composition (Composition > Add to Render Queue).");
    }
    for (i = 0; i < said.items.length; i += 1) {
        item = said.items[i];
        if (item.pattern === "" || item.directory === "") {
            say("stop", item.name + " has no output file.", "Click Output To in the render queue and choose one.");
        } else if (PF.submit.BAD_NAME.test(item.pattern)) {
            say("stop", "The output name " + item.pattern + " has letters that not every system can store.",
                "Change it.");
        }
        if (/\[[A-Za-z]+\]/.test(item.pattern)) {
            say("stop", "The output name " + item.pattern + " has words that only After Effects can fill in.",
                "Choose a name with [compName] and [####] alone.");
        }
        if (PF.submit.NUMBERS.test(item.pattern.replace(/#+/, ""))) {
            say("stop", "The output name " + item.pattern + " has more than one place for the frame's number.",
                "Use # and %d in [####] alone.");
        }
        key = item.directory + "/" + item.pattern;
        if (item.pattern !== "" && seen[key]) {
            say("stop", item.name + " and " + seen[key] + " write into the same files, " + item.pattern + ".",
                "Give one of them another output.");
        }
        seen[key] = item.name;
        if (item.outputs > 1) {
            say("ask", item.name + " has " + item.outputs + " outputs, and only the first is rendered.",
                "Queue it once for each.");
        }
        if (item.isMovie) {
            say("note", item.name + " is a movie: one machine renders it in one piece.",
                "Choose an image sequence to let all machines help.");
        }
    }
    if (said.missing.length > 0) {
        say("ask", "Footage is missing: " + said.missing.slice(0, 5).join(", ") +
            (said.missing.length > 5 ? " and " + (said.missing.length - 5) + " more" : "") + ".",
            "Relink it, or send all the same.");
    }
    if (said.fonts.length > 0) {
        say("ask", "Fonts are missing: " + said.fonts.slice(0, 5).join(", ") + ".",
            "Install them, or send all the same.");
    }
    for (i = 0; i < said.unread.length && i < 5; i += 1) { say("ask", said.unread[i], ""); }
    for (i = 0; i < said.faults.length && i < 5; i += 1) { say("note", said.faults[i], ""); }
    return found;
};

// chosen: {chunk, priority, pool, severalFrames (true, false or null), percent, mayMiss}
PF.submit.job = function (said, chosen) {
    var job = { name: said.name, priority: chosen.priority, steps: [] }, i;
    if (chosen.pool) { job.pool = chosen.pool; }
    for (i = 0; i < said.items.length; i += 1) { job.steps.push(PF.submit.step(said, said.items[i], chosen)); }
    return job;
};

// The files beside the project; of very many, as of long image sequences, the folders that they lie in. A request holds
// a million letters at most. Throws PF.Fault.
PF.submit.files = function (said) {
    var folders = [], seen = {}, i, folder;
    if (said.files.length <= PF.submit.MANY && PF.submit.fits(said.files)) { return said.files; }
    for (i = 0; i < said.files.length; i += 1) {
        folder = new File(said.files[i]).parent.fsName;
        if (!seen["in " + folder]) {
            seen["in " + folder] = true;
            folders.push(folder);
        }
    }
    if (!PF.submit.fits(folders)) {
        throw new PF.Fault("The footage lies in more folders than can be named at once.",
            "Collect it (File > Dependencies > Collect Files), or run `peerfarm submit` with the project's name.");
    }
    return folders;
};

PF.submit.fits = function (paths) {
    var letters = 0, i;
    for (i = 0; i < paths.length; i += 1) { letters += PF.json.quote(paths[i]).length + 1; }
    return letters <= PF.submit.LETTERS;
};

PF.submit.step = function (said, item, chosen) {
    var params = { scene: said.path, item: item.index, comp: item.name, listed: true }, frames;
    if (chosen.severalFrames === true || chosen.severalFrames === false) {
        params.several_frames_at_once = chosen.severalFrames;
        params.processor_percent = chosen.percent;
    }
    if (chosen.mayMiss) { params.allow_missing = true; }
    frames = item.first === item.last ? String(item.first) : item.first + "-" + item.last;
    if (item.spacing > 1 && item.first !== item.last) { frames += "x" + item.spacing; }
    if (item.isMovie) {
        params.movie = true;
        params.first = item.first;
        params.last = item.last;
        frames = "1";
    }
    return {
        name: PF.submit.stepName(item),
        app: "aftereffects",
        params: params,
        frames: frames,
        chunk: item.isMovie ? 1 : chosen.chunk,
        output: { dir: item.directory, pattern: item.pattern },
        requires: { version: said.version }
    };
};

// A name that no other item of the queue has; half of a letter of two is cut off.
PF.submit.stepName = function (item) {
    var plain = item.name.replace(/[\\\/:*?"<>|\x00-\x1f]/g, " ").substr(0, 50).replace(/[\uD800-\uDBFF]$/, "");
    return PF.text.stripped(item.index + " " + plain);
};

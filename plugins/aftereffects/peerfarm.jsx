// peerfarm's panel for After Effects 2020 to 2026. Assembled from parts/ by assemble.py: change it there.
// ExtendScript is ECMAScript 3: no const, let, JSON, forEach, trim; collections count from 1.

(function (root) {

var PF = { VERSION: "0.1.0" };

// Small things that ES3 lacks, and words for people.

PF.text = {};

PF.text.stripped = function (text) { return String(text).replace(/^\s+|\s+$/g, ""); };

PF.text.has = function (list, value) {
    var i;
    for (i = 0; i < list.length; i += 1) { if (list[i] === value) { return true; } }
    return false;
};

// A path's last part, by its own letters: `File.name` has them as %20 and the like.
PF.text.base = function (path) {
    return String(path).replace($.os.indexOf("Windows") >= 0 ? /^.*[\/\\]/ : /^.*\//, "");
};

// What is the matter, and what to do about it, as two sentences.
PF.text.advised = function (sentence, hint) {
    if (!hint) { return String(sentence); }
    return sentence + (/[.!?]$/.test(sentence) ? " " : ". ") + hint;
};

PF.text.plural = function (count, one, many) { return count + " " + (count === 1 ? one : many); };

PF.text.CELLS = 6;

// A share of 1 as a bar of a few cells and a percentage.
PF.text.bar = function (share) {
    var full = Math.floor(Math.max(0, Math.min(1, share)) * PF.text.CELLS + 0.0001), out = "", i;
    for (i = 0; i < PF.text.CELLS; i += 1) { out += i < full ? "\u2588" : "\u2591"; }
    return out + " " + Math.floor(share * 100 + 0.0001) + " %";
};

// Seconds as "2 h 5 min", "3 min" or "20 s"; empty when nobody knows.
PF.text.duration = function (seconds) {
    var minutes;
    if (typeof seconds !== "number" || seconds < 0) { return ""; }
    if (seconds < 60) { return Math.ceil(seconds) + " s"; }
    minutes = Math.round(seconds / 60);
    if (minutes < 60) { return minutes + " min"; }
    return Math.floor(minutes / 60) + " h " + (minutes % 60) + " min";
};

PF.text.size = function (bytes) {
    var units = ["B", "KB", "MB", "GB", "TB"], i = 0;
    while (bytes >= 1000 && i < units.length - 1) { bytes /= 1000; i += 1; }
    return (i === 0 ? String(bytes) : bytes.toFixed(1)) + " " + units[i];
};

// JSON for a language that has none: a strict reader without eval, and a writer whose lines are plain ASCII.

PF.json = {};

PF.json.write = function (value) {
    var parts, key, i;
    if (value === null || value === undefined) { return "null"; }
    if (typeof value === "boolean") { return value ? "true" : "false"; }
    if (typeof value === "number") { return isFinite(value) ? String(value) : "null"; }
    if (typeof value === "string") { return PF.json.quote(value); }
    parts = [];
    if (value instanceof Array) {
        for (i = 0; i < value.length; i += 1) { parts.push(PF.json.write(value[i])); }
        return "[" + parts.join(",") + "]";
    }
    for (key in value) {
        if (value.hasOwnProperty(key) && value[key] !== undefined) {
            parts.push(PF.json.quote(key) + ":" + PF.json.write(value[key]));
        }
    }
    return "{" + parts.join(",") + "}";
};

PF.json.quote = function (text) {
    var out = "\"", i, code, hex;
    for (i = 0; i < text.length; i += 1) {
        code = text.charCodeAt(i);
        if (code === 34 || code === 92) {
            out += "\\" + text.charAt(i);
        } else if (code < 32 || code > 126) {
            hex = code.toString(16);
            while (hex.length < 4) { hex = "0" + hex; }
            out += "\\u" + hex;
        } else {
            out += text.charAt(i);
        }
    }
    return out + "\"";
};

// Gives the value, or throws an Error whose message says where reading stopped.
PF.json.read = function (text) {
    var at = 0, depth = 0, value;

    function fail(what) { throw new Error("no JSON at " + at + ": " + what); }

    function skip() {
        while (at < text.length && " \t\r\n".indexOf(text.charAt(at)) >= 0) { at += 1; }
    }

    function word(name, meaning) {
        if (text.substr(at, name.length) !== name) { fail("odd word"); }
        at += name.length;
        return meaning;
    }

    // Whole pieces at a time: a picture is one string of many thousand letters.
    function string() {
        var out = "", end, slash, letter, escapes = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
        at += 1;
        while (true) {
            end = text.indexOf("\"", at);
            if (end < 0) { return fail("a text without an end"); }
            slash = text.substring(at, end).indexOf("\\");
            if (slash < 0) {
                out += text.substring(at, end);
                at = end + 1;
                return out;
            }
            out += text.substr(at, slash);
            at += slash;
            letter = text.charAt(at + 1);
            if (letter === "u") {
                if (!/^[0-9a-fA-F]{4}$/.test(text.substr(at + 2, 4))) { fail("odd escape"); }
                out += String.fromCharCode(parseInt(text.substr(at + 2, 4), 16));
                at += 6;
            } else {
                out += escapes.hasOwnProperty(letter) ? escapes[letter] : letter;
                at += 2;
            }
        }
    }

    function number() {
        var found = /^-?\d+(\.\d+)?([eE][+\-]?\d+)?/.exec(text.substr(at, 40));
        if (!found) { fail("no value"); }
        at += found[0].length;
        return Number(found[0]);
    }

    function list() {
        var out = [];
        at += 1;
        skip();
        if (text.charAt(at) === "]") { at += 1; return out; }
        while (true) {
            out.push(any());
            skip();
            if (text.charAt(at) === "]") { at += 1; return out; }
            if (text.charAt(at) !== ",") { fail("a list without an end"); }
            at += 1;
        }
    }

    function object() {
        var out = {}, key;
        at += 1;
        skip();
        if (text.charAt(at) === "}") { at += 1; return out; }
        while (true) {
            skip();
            if (text.charAt(at) !== "\"") { fail("no name"); }
            key = string();
            skip();
            if (text.charAt(at) !== ":") { fail("no colon"); }
            at += 1;
            out[key] = any();
            skip();
            if (text.charAt(at) === "}") { at += 1; return out; }
            if (text.charAt(at) !== ",") { fail("an object without an end"); }
            at += 1;
        }
    }

    function any() {
        var letter, out;
        skip();
        letter = text.charAt(at);
        depth += 1;
        if (depth > 64) { fail("too deep"); }
        if (letter === "{") { out = object(); }
        else if (letter === "[") { out = list(); }
        else if (letter === "\"") { out = string(); }
        else if (letter === "t") { out = word("true", true); }
        else if (letter === "f") { out = word("false", false); }
        else if (letter === "n") { out = word("null", null); }
        else { out = number(); }
        depth -= 1;
        return out;
    }

    value = any();
    skip();
    if (at < text.length) { fail("more than one value"); }
    return value;
};

// The connection to the node on this machine. A Socket holds After Effects up while it waits: every wait has a limit.
// - connecting, greeting and one request together: LIMIT_MS;
// - a click or a turn of the timer: its first request, and more only within ROUND_MS;
// - after a wait in vain: nothing for SILENCE_MS, unless the artist asks or the node wrote a new local.json;
// - an answer is one line, and no request asks for a list that grows with the farm; a longer line than LINE_MAX is
//   thrown away unread.
// What goes wrong is thrown as a PF.Fault, with a sentence for the artist and what to do.

PF.LIMIT_MS = 2000;
PF.ROUND_MS = 500;
PF.PROTOCOL = 1;
PF.SILENCE_MS = 15000;
PF.LINE_MAX = 1000000;

PF.Fault = function (sentence, hint, kind) {
    this.sentence = sentence;
    this.hint = hint || "";
    this.kind = kind || "";
    this.message = PF.text.advised(sentence, hint);
};
PF.Fault.prototype.toString = function () { return this.message; };

// On Windows `~` follows the variable HOME where other programs have set one, and the node does not.
PF.home = function () {
    var chosen = $.getenv("PEERFARM_HOME"), profile = $.getenv("USERPROFILE"), folder;
    if (chosen) { return new Folder(chosen); }
    folder = new Folder("~/.peerfarm");
    return profile && !folder.exists ? new Folder(profile + "/.peerfarm") : folder;
};

PF.readFile = function (name) {
    var file = new File(PF.home().fsName + "/" + name), text;
    if (!file.exists) { return null; }
    file.encoding = "UTF-8";
    if (!file.open("r")) { return null; }
    text = file.read();
    file.close();
    try {
        return PF.json.read(text);
    } catch (ignored) {
        return null;
    }
};

PF.Node = function () {
    this.socket = null;
    this.next = 1;
    this.startedAt = 0;
    this.until = 0;
    this.roundUntil = 0;
    this.silentUntil = 0;
    this.tried = "";
};

PF.now = function () { return new Date().getTime(); };

// A click or a turn of the timer begins. Its first request is always made; more only while `mayAsk`, so that no turn
// takes longer than ROUND_MS and one request.
PF.Node.prototype.begin = function () { this.roundUntil = PF.now() + PF.ROUND_MS; };
PF.Node.prototype.mayAsk = function () { return PF.now() < this.roundUntil; };

// Whether the timer may ask: not for a while after a wait in vain, for Windows takes two seconds to say that nobody
// listens. A node that was started since has written another local.json.
PF.Node.prototype.isQuiet = function () {
    return PF.now() < this.silentUntil && PF.Node.door(PF.readFile("local.json")) === this.tried;
};

PF.Node.door = function (found) { return found === null ? "" : found.port + " " + found.token; };

PF.Node.prototype.close = function () {
    var socket = this.socket;
    this.socket = null;
    if (socket !== null) {
        try { socket.close(); } catch (ignored) { return; }
    }
};

// The answer to one request; a connection that it needs first is part of its time.
PF.Node.prototype.call = function (method, params) {
    this.until = PF.now() + PF.LIMIT_MS;
    if (this.socket !== null && !this.socket.connected) { this.close(); }
    if (this.socket === null) { this.open(); }
    try {
        params = this.ask(method, params || {});
        this.silentUntil = 0;
        return params;
    } catch (fault) {
        if (!(fault instanceof PF.Fault) || fault.kind === "broken") {
            this.close();
            this.silentUntil = PF.now() + PF.SILENCE_MS;
        }
        throw fault;
    }
};

PF.Node.prototype.open = function () {
    var found = PF.readFile("local.json"), socket;
    if (found === null || typeof found.port !== "number" || typeof found.token !== "string") {
        throw new PF.Fault("peerfarm is not running.", "Press Start peerfarm.", "not running");
    }
    this.tried = PF.Node.door(found);
    socket = new Socket();
    socket.timeout = PF.LIMIT_MS / 1000;
    if (!socket.open("127.0.0.1:" + found.port, "UTF-8")) {
        this.silentUntil = PF.now() + PF.SILENCE_MS;
        throw new PF.Fault("peerfarm is not running.", "Press Start peerfarm.", "not running");
    }
    this.socket = socket;
    try {
        this.ask("hello", {
            token: found.token,
            client: "aftereffects",
            app: "After Effects " + app.version,
            version: PF.VERSION,
            protocol: PF.PROTOCOL
        });
    } catch (fault) {
        this.close();
        this.silentUntil = PF.now() + PF.SILENCE_MS;
        throw fault;
    }
};

// What the artist should know of a request whose answer did not come: it may have been carried out.
PF.Node.AGAIN = {
    submit: "It may have taken the project all the same: look whether the list shows it before you send it again.",
    pause: "Look at the list: it may be done all the same.",
    resume: "Look at the list: it may be done all the same.",
    cancel: "Look at the list: it may be done all the same.",
    retry: "Look at the list: it may be done all the same.",
    log: "Ask again in a moment.",
    other: "It is asked again in a moment."
};

PF.Node.prototype.ask = function (method, params) {
    var id = this.next, line, answer, left;
    this.next += 1;
    if (!this.socket.writeln(PF.json.write({ jsonrpc: "2.0", id: id, method: method, params: params }))) {
        throw new PF.Fault("peerfarm went away.", PF.Node.AGAIN[method] || PF.Node.AGAIN.other, "broken");
    }
    for (left = this.until - PF.now(); left > 0; left = this.until - PF.now()) {
        this.socket.timeout = Math.max(1, Math.round(left / 1000));
        line = this.socket.readln();
        if (line === null || line === undefined || line === "") { break; }
        try {
            if (line.length > PF.LINE_MAX) { throw new Error("too long"); }
            answer = PF.json.read(line);
        } catch (garbage) {
            // What came of a line when its time was over is half of it.
            if (PF.now() >= this.until || !this.socket.connected) { break; }
            throw new PF.Fault("What answers on peerfarm's port is not peerfarm.", "Restart peerfarm.", "broken");
        }
        if (answer && answer.id === id) { return this.judge(answer); }
        if (answer && answer.error && (answer.id === null || answer.id === undefined)) { return this.judge(answer); }
    }
    throw new PF.Fault(
        this.socket.connected ? "peerfarm did not answer in time." : "peerfarm went away.",
        PF.Node.AGAIN[method] || PF.Node.AGAIN.other,
        "broken"
    );
};

PF.Node.prototype.judge = function (answer) {
    var error = answer.error, data;
    if (!error) { return answer.result; }
    data = error.data || {};
    if (error.code === 3) {
        throw new PF.Fault("peerfarm did not accept this panel.", "Restart peerfarm, then press Refresh.", "broken");
    }
    if (error.code === 4) {
        throw new PF.Fault(
            "This panel and peerfarm are of different versions.",
            "Run `peerfarm plugins install aftereffects`, then restart After Effects.",
            "broken"
        );
    }
    if (error.code === -32601) {
        throw new PF.Fault("This peerfarm is older than the panel.", "Update peerfarm.", "refused");
    }
    throw new PF.Fault(String(error.message), data.hint ? String(data.hint) : "", data.kind || "refused");
};

// Starting the node that does not run, by the command that it wrote at its last start.

PF.START_AGAIN_MS = 20000;

// Starts the node without waiting for it; gives a sentence. At most once in 20 s.
PF.Node.prototype.start = function () {
    var launch = PF.readFile("launch.json"), now = PF.now(), command;
    if (now - this.startedAt < PF.START_AGAIN_MS) { return "peerfarm is starting; this takes a few seconds."; }
    if (launch === null || !(launch.argv instanceof Array) || launch.argv.length === 0) {
        return "peerfarm was never started on this machine: run `peerfarm start` once.";
    }
    command = PF.command(launch.argv, launch.environment || {}, $.os.indexOf("Windows") >= 0);
    if (command === null) { return "peerfarm's start command cannot be used: run `peerfarm start`."; }
    this.startedAt = now;
    system.callSystem(command);
    return "peerfarm is starting; this takes a few seconds.";
};

// A line for the system's shell that starts a program with these variables and comes back at once; null when something
// in it has no safe spelling there.
PF.command = function (argv, environment, isWindows) {
    var words = [], sets = [], odd = isWindows ? /["%\r\n]/ : /[\r\n]/, name, i;
    for (name in environment) {
        if (environment.hasOwnProperty(name)) {
            if (!/^[A-Z_]+$/.test(name) || odd.test(String(environment[name]))) { return null; }
            sets.push(isWindows ? "set \"" + name + "=" + environment[name] + "\" & " :
                name + "=" + PF.quoted(environment[name]) + " ");
        }
    }
    for (i = 0; i < argv.length; i += 1) {
        if (odd.test(String(argv[i]))) { return null; }
        words.push(isWindows ? "\"" + argv[i] + "\"" : PF.quoted(argv[i]));
    }
    if (isWindows) { return "cmd.exe /c \"" + sets.join("") + "start \"peerfarm\" /b " + words.join(" ") + "\""; }
    return sets.join("") + words.join(" ") + " >/dev/null 2>&1 &";
};

// One word of a POSIX shell.
PF.quoted = function (text) { return "'" + String(text).replace(/'/g, "'\\''") + "'"; };

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

// What the open project says: its queued items, the files that they need, and what is missing. Changes nothing.

PF.project = {};

PF.project.IMAGE = /\.(png|jpe?g|exr|tiff?|tga|dpx|cin|psd|psb|bmp|gif|hdr|iff|sgi|rla|rpf|ai|eps|pdf|webp)$/i;

// {path, name, version, isDirty}, and lists: items, files, missing, fonts, and in words faults and unread items; the
// path is empty when the project was never saved.
PF.project.read = function () {
    var project = app.project, said = {
        path: "", name: "", version: PF.project.major(), isDirty: false,
        items: [], files: [], missing: [], fonts: [], faults: [], unread: []
    };
    if (!project) { return said; }
    if (project.file) {
        said.path = project.file.fsName;
        said.name = PF.text.base(said.path).replace(/\.aepx?$/i, "");
    }
    // Versions that do not say whether there are changes may have some: what is not saved is not rendered.
    said.isDirty = project["dirty"] !== false;
    PF.project.readQueue(project, said);
    PF.project.readFootage(said);
    PF.project.readFonts(project, said);
    return said;
};

PF.project.major = function () {
    var found = /^\d+/.exec(String(app.version));
    return found ? found[0] : "";
};

PF.project.readQueue = function (project, said) {
    var i, item;
    for (i = 1; i <= project.renderQueue.numItems; i += 1) {
        item = project.renderQueue.item(i);
        if (item.status === RQItemStatus.QUEUED) {
            try {
                said.items.push(PF.project.readItem(project, item, i));
            } catch (fault) {
                said.unread.push("Item " + i + " of the render queue cannot be read and would be left out: " + fault);
            }
        }
    }
};

PF.project.readItem = function (project, item, index) {
    var comp = item.comp, rate = comp.frameRate, first, count, out, name, run;
    first = Math.round((item.timeSpanStart + comp.displayStartTime) * rate);
    if (project.framesCountType === FramesCountType.FC_START_1) { first += 1; }
    count = Math.max(1, Math.round(item.timeSpanDuration * rate));
    out = item.numOutputModules > 0 ? item.outputModule(1).file : null;
    name = PF.project.filled(out ? PF.text.base(out.fsName) : "", comp);
    run = /\[(#+)\]/.exec(name);
    return {
        index: index,
        comp: comp,
        name: comp.name,
        first: first,
        last: first + count - 1,
        spacing: item.skipFrames + 1,
        directory: out && out.parent ? out.parent.fsName : "",
        pattern: run ? name.replace(run[0], run[1]) : name,
        isMovie: name !== "" && run === null,
        outputs: item.numOutputModules
    };
};

// The words of an output name that After Effects may have left to be filled in; others stay, and are told.
PF.project.filled = function (name, comp) {
    var known = { compName: comp.name, width: comp.width, height: comp.height };
    return name.replace(/\[([A-Za-z]+)\]/g, function (whole, word) {
        return known.hasOwnProperty(word) ? String(known[word]) : whole;
    });
};

// Breadth first from each queued composition; a source that cannot be read is told and left out.
PF.project.readFootage = function (said) {
    var waiting = [], seen = {}, i, comp, layer;
    for (i = 0; i < said.items.length; i += 1) { waiting.push(said.items[i].comp); }
    while (waiting.length > 0) {
        comp = waiting.shift();
        if (!seen["comp " + comp.id]) {
            seen["comp " + comp.id] = true;
            for (i = 1; i <= comp.numLayers; i += 1) {
                layer = comp.layer(i);
                try {
                    if (layer.source) { PF.project.readSource(layer.source, waiting, seen, said); }
                } catch (fault) {
                    said.faults.push("Layer " + i + " of " + comp.name + " could not be read: " + fault);
                }
            }
        }
    }
};

PF.project.readSource = function (source, waiting, seen, said) {
    if (source instanceof CompItem) {
        waiting.push(source);
    } else if (source instanceof FootageItem && !seen["item " + source.id]) {
        seen["item " + source.id] = true;
        PF.project.readFiles(source.mainSource, source, said);
    }
    if (source.useProxy && source.proxySource && !seen["proxy " + source.id]) {
        seen["proxy " + source.id] = true;
        PF.project.readFiles(source.proxySource, source, said);
    }
};

PF.project.readFiles = function (from, item, said) {
    if (!(from instanceof FileSource)) { return; }
    if (item.footageMissing) {
        said.missing.push(item.name + " (" + (from.missingFootagePath || "?") + ")");
        return;
    }
    if (from.file) { PF.project.addFiles(from.file, from.isStill, said); }
};

// A still or a movie is one file; an image sequence is all files with its name around the number.
PF.project.addFiles = function (file, isStill, said) {
    var name = PF.text.base(file.fsName), run = /(\d+)(\D*)$/.exec(name), found, i, other, begin, end;
    var isImage = PF.project.IMAGE.test(name);
    if (isStill || !isImage || !run || !file.parent) {
        PF.project.addFile(file.fsName, said);
        return;
    }
    begin = name.substring(0, run.index);
    end = run[2];
    // Where the system can choose the files it is much faster than here; other letters it may spell its own way.
    found = file.parent.getFiles(/^[\w .\-]*$/.test(begin + end) ? begin + "*" + end : "*") || [];
    for (i = 0; i < found.length; i += 1) {
        other = PF.text.base(found[i].fsName);
        if (found[i] instanceof File && other.substr(0, begin.length) === begin &&
                other.substr(other.length - end.length) === end &&
                /^\d+$/.test(other.substring(begin.length, other.length - end.length))) {
            PF.project.addFile(found[i].fsName, said);
        }
    }
};

PF.project.addFile = function (path, said) {
    if (!said.known) { said.known = {}; }
    if (!said.known["file " + path]) {
        said.known["file " + path] = true;
        said.files.push(path);
    }
};

PF.project.readFonts = function (project, said) {
    var i, fonts;
    try {
        fonts = app["fonts"] ? app["fonts"].missingOrSubstitutedFonts : null;
        for (i = 0; fonts && i < fonts.length; i += 1) { said.fonts.push(fonts[i].postScriptName); }
    } catch (ignored) {
        said.faults.push("The project's fonts could not be checked in this version of After Effects.");
    }
};

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

// What the panel shows of the farm: sentences and rows from the node's answers. No user interface here.

PF.farm = {};

PF.farm.JOBS = 20;
PF.farm.STATES = {
    ready: "waiting for a worker", active: "rendering", paused: "paused", done: "done", failed: "failed",
    cancelled: "cancelled", blocked: "waiting for other steps"
};

// What is known of the farm; `look` brings it up to date as far as a turn's time allows, and goes on in the next.
PF.farm.View = function () {
    this.status = null;
    this.jobs = { jobs: [], total: 0 };
    this.due = [];
};

PF.farm.ASKED = ["status", "jobs"];

// Throws PF.Fault.
PF.farm.View.prototype.look = function (node) {
    var isFirst = true, method;
    if (this.due.length === 0) { this.due = PF.farm.ASKED.slice(0); }
    while (this.due.length > 0 && (isFirst || node.mayAsk())) {
        isFirst = false;
        method = this.due[0];
        if (method === "status") {
            this.status = node.call("status");
            if (!this.status.farm) {
                this.due = [];
                return;
            }
            if (typeof this.status.farm.name !== "string") {
                this.status = null;
                throw new PF.Fault("peerfarm's answer says nothing to this panel.",
                    "Run `peerfarm plugins install aftereffects`, then restart After Effects.");
            }
        } else {
            this.jobs = node.call("jobs", { limit: PF.farm.JOBS, mine: true });
        }
        this.due.shift();
    }
};

// The jobs first: something was just done to one.
PF.farm.View.prototype.hurry = function () { this.due = ["jobs", "status"]; };

PF.farm.list = function (value) { return value instanceof Array ? value : []; };

PF.farm.View.prototype.sentence = function () {
    if (this.status === null) { return ""; }
    if (!this.status.farm) {
        return "This machine belongs to no farm yet: run `peerfarm init` or `peerfarm join`.";
    }
    return PF.farm.nodesSentence(this.status);
};

PF.farm.View.prototype.rows = function () {
    return this.status !== null && this.status.farm ? PF.farm.rows(PF.farm.list(this.jobs.jobs)) : [];
};

PF.farm.View.prototype.more = function () {
    return Math.max(0, (this.jobs.total || 0) - PF.farm.list(this.jobs.jobs).length);
};

// From counts alone: a list of all nodes would grow with the farm, and After Effects reads it letter by letter.
PF.farm.nodesSentence = function (status) {
    var able = status.apps ? status.apps.aftereffects || 0 : 0, words;
    words = status.farm.name + ": " + PF.text.plural(status.live || 0, "node", "nodes") + ", " +
        (status.rendering || 0) + " rendering, " + able + " with After Effects";
    if (status.alarms && status.alarms.length > 0) { words += " \u2013 " + status.alarms[0]; }
    return words;
};

PF.farm.rows = function (jobs) {
    var rows = [], i, job;
    for (i = 0; i < jobs.length; i += 1) {
        job = jobs[i];
        rows.push({
            id: job.id,
            name: job.name,
            words: PF.farm.words(job),
            bar: PF.text.bar(job.progress || 0),
            output: job.output || "",
            error: job.error || "",
            stage: job.status + (job.published ? " published" : ""),
            done: job.frames ? job.frames.done || 0 : 0,
            canPause: job.status === "ready" || job.status === "active" || job.status === "blocked",
            canResume: job.status === "paused",
            canCancel: job.status !== "done" && job.status !== "cancelled",
            canRetry: job.status === "failed" || job.status === "cancelled"
        });
    }
    return rows;
};

PF.farm.words = function (job) {
    var words = PF.farm.STATES[job.status] || String(job.status), left = PF.text.duration(job.eta_s);
    if (job.status === "done" && job.is_published === false) { words += ", frames on their way"; }
    if ((job.status === "active" || job.status === "done") && left !== "") { words += ", " + left + " left"; }
    if (job.error) { words += ": " + job.error; }
    return words;
};

// How the node begins to say that frames of an earlier render stand in the output folder.
PF.farm.IN_THE_WAY = "frames of that name exist already";

// How a submission goes: {isOver, sentence, isDone, isInTheWay}.
PF.farm.submission = function (told) {
    var words, left;
    if (told.state === "done") {
        words = "Sent: " + PF.text.plural(told.answer.frames, "frame", "frames") + " in " +
            PF.text.plural(told.answer.tasks, "task", "tasks") + ".";
        if (told.answer.warnings && told.answer.warnings.length > 0) { words += " " + told.answer.warnings[0]; }
        return { isOver: true, isDone: true, sentence: words };
    }
    if (told.state === "failed") {
        if (String(told.error).indexOf(PF.farm.IN_THE_WAY) === 0) {
            return { isOver: true, isDone: false, isInTheWay: true, sentence: told.error };
        }
        return { isOver: true, isDone: false, sentence: PF.text.advised(told.error, told.hint) };
    }
    words = told.text || "Packing";
    if (told.total_bytes) {
        words += ", " + PF.text.size(told.done_bytes) + " of " + PF.text.size(told.total_bytes);
        left = PF.text.duration(told.left_s);
        if (left !== "") { words += ", " + left + " left"; }
    }
    return { isOver: false, isDone: false, sentence: words };
};

// A small picture of a job's last finished frame, in a file of its own: ScriptUI shows files alone.

PF.picture = {};

PF.picture.SIZE = 128;
PF.picture.HEIGHT = 72;
// Letters of base64: far more than a picture of SIZE takes.
PF.picture.LONGEST = 200000;
PF.picture.NAME = "peerfarm-panel-";
PF.picture.OLD_MS = 24 * 3600 * 1000;
PF.picture.LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The bytes as a text of one letter each; null when it is no base64.
PF.picture.bytes = function (text) {
    var values = {}, out = [], i, word, pad;
    pad = /=*$/.exec(text)[0].length;
    if (text.length % 4 !== 0 || pad > 2) { return null; }
    for (i = 0; i < 64; i += 1) { values[PF.picture.LETTERS.charAt(i)] = i; }
    for (i = 0; i < pad; i += 1) { values["="] = 0; }
    for (i = 0; i < text.length; i += 4) {
        word = values[text.charAt(i)] * 262144 + values[text.charAt(i + 1)] * 4096 +
            values[text.charAt(i + 2)] * 64 + values[text.charAt(i + 3)];
        if (isNaN(word)) { return null; }
        out.push(
            String.fromCharCode(Math.floor(word / 65536)) +
            String.fromCharCode(Math.floor(word / 256) % 256) +
            String.fromCharCode(word % 256)
        );
    }
    return out.join("").substr(0, text.length / 4 * 3 - pad);
};

// Shows one picture at a time in `image`, and says in `words` what it is, or why there is none.
PF.picture.View = function (image, words) {
    this.image = image;
    this.words = words;
    this.wanted = "";
    this.size = PF.picture.SIZE;
    this.shown = "";
    this.file = null;
    this.number = 0;
    PF.picture.sweep();
};

// What panels that ended by a crash left behind.
PF.picture.sweep = function () {
    var found, i;
    try {
        found = Folder.temp.getFiles(PF.picture.NAME + "*.png");
        for (i = 0; i < found.length && i < 50; i += 1) {
            if (found[i] instanceof File && PF.now() - found[i].modified.getTime() > PF.picture.OLD_MS) {
                found[i].remove();
            }
        }
    } catch (ignored) {
        return;
    }
};

// Asks only for a job whose frames are other ones than those that are shown, and never waits while a picture is made:
// it comes back for it. Throws PF.Fault.
PF.picture.View.prototype.look = function (node, row) {
    var wanted = row !== null && row.done > 0 ? row.id + " " + row.done + " " + row.stage : "", told;
    if (wanted === this.shown) { return; }
    if (wanted === "") {
        this.clear("");
        this.shown = "";
        return;
    }
    if (wanted !== this.wanted) {
        this.wanted = wanted;
        this.size = PF.picture.SIZE;
    }
    told = node.call("thumbnail", { job: row.id, size: this.size, wait: false }) || {};
    if (told.is_coming === true) { return; }
    if (told.height > PF.picture.HEIGHT && this.size > PF.picture.HEIGHT) {
        this.size = PF.picture.HEIGHT;
        return;
    }
    this.shown = wanted;
    if (told.frame && typeof told.png === "string" && told.png.length <= PF.picture.LONGEST) {
        this.show(told, row);
    } else {
        this.clear(told.reason ? "No picture: " + told.reason : "");
    }
};

PF.picture.View.prototype.show = function (told, row) {
    var bytes = PF.picture.bytes(told.png), file;
    this.clear("");
    if (bytes === null) { return; }
    this.number += 1;
    file = new File(Folder.temp.fsName + "/" + PF.picture.NAME + PF.now() + "-" + this.number + ".png");
    this.file = file;
    file.encoding = "BINARY";
    try {
        if (file.open("w")) {
            file.write(bytes);
            file.close();
            this.image.image = ScriptUI.newImage(file.fsName);
            this.words.text = row.name + ": " + told.frame;
        }
    } catch (ignored) {
        this.clear("The picture of " + told.frame + " cannot be shown.");
    }
};

// The file goes with the picture: never more than one lies in the temporary folder.
PF.picture.View.prototype.clear = function (words) {
    this.words.text = words;
    try { this.image.image = null; } catch (ignored) { this.words.text = words; }
    if (this.file !== null) {
        try { this.file.remove(); } catch (ignored) { this.words.text = words; }
        this.file = null;
    }
};

// The panel's widgets, and what becomes of a fault: a sentence; nothing that happens here may throw into After Effects.

PF.Board = function () {
    this.node = new PF.Node();
    this.view = new PF.farm.View();
    this.submission = null;
    this.request = null;
    this.notes = "";
    this.rows = [];
    this.isClosed = false;
    this.task = 0;
};

PF.Board.EVERY_MS = 3000;
PF.Board.WHILE_SENDING_MS = 700;
PF.Board.LOG_BYTES = 16000;

PF.Board.prototype.build = function (place) {
    var panel = this, group, options;
    this.window = place instanceof Panel ? place :
        new Window("palette", "peerfarm", undefined, { resizeable: true });
    this.window.orientation = "column";
    this.window.alignChildren = ["fill", "top"];

    this.queue = this.window.add("statictext", undefined, "", { multiline: true });
    this.queue.preferredSize = [320, 34];

    options = this.window.add("group");
    options.add("statictext", undefined, "Frames per task");
    this.chunk = options.add("edittext", undefined, "5");
    this.chunk.characters = 4;
    options.add("statictext", undefined, "Priority");
    this.priority = options.add("edittext", undefined, "50");
    this.priority.characters = 4;
    options.add("statictext", undefined, "Pool");
    this.pool = options.add("edittext", undefined, "");
    this.pool.characters = 8;

    group = this.window.add("group");
    this.frames = group;
    group.visible = Number(PF.project.major()) >= PF.submit.SEVERAL_SINCE;
    this.several = group.add("checkbox", undefined, "Multi-frame rendering, processor %");
    this.several.value = true;
    this.percent = group.add("edittext", undefined, "80");
    this.percent.characters = 4;

    group = this.window.add("group");
    this.send = group.add("button", undefined, "Send to peerfarm");
    this.stop = group.add("button", undefined, "Stop sending");
    this.stop.enabled = false;
    this.refresh = group.add("button", undefined, "Refresh");
    this.startNode = group.add("button", undefined, "Start peerfarm");
    this.startNode.visible = false;

    this.notice = this.window.add("statictext", undefined, "", { multiline: true });
    this.notice.preferredSize = [320, 64];
    this.state = this.window.add("statictext", undefined, "", { multiline: true });
    this.state.preferredSize = [320, 64];
    this.jobs = this.window.add("listbox", undefined, [], {
        numberOfColumns: 3, showHeaders: true, columnTitles: ["Job", "Progress", "State"], columnWidths: [110, 110, 210]
    });
    this.jobs.preferredSize = [320, 160];
    this.jobs.alignment = ["fill", "fill"];

    this.more = this.window.add("statictext", undefined, "");

    group = this.window.add("group");
    this.picture = new PF.picture.View(
        group.add("image", [0, 0, PF.picture.SIZE, PF.picture.HEIGHT]),
        group.add("statictext", [0, 0, 180, 50], "", { multiline: true })
    );

    group = this.window.add("group");
    this.pause = group.add("button", undefined, "Pause");
    this.cancel = group.add("button", undefined, "Cancel");
    this.retry = group.add("button", undefined, "Retry");
    this.folder = group.add("button", undefined, "Open folder");
    this.log = group.add("button", undefined, "Show log");

    this.on(this.send, function () { panel.sendNow(); });
    this.on(this.stop, function () { panel.stopSending(); });
    this.on(this.refresh, function () { panel.refreshNow(); });
    this.on(this.startNode, function () { panel.say(panel.node.start()); });
    this.on(this.pause, function () { panel.pauseOrResume(); });
    this.on(this.cancel, function () { panel.control("cancel", "Cancelled"); });
    this.on(this.retry, function () { panel.control("retry", "Tried again"); });
    this.on(this.folder, function () { panel.openFolder(); });
    this.on(this.log, function () { panel.showLog(); });
    this.jobs.onChange = function () { panel.enable(); };
    this.window.onClose = function () { panel.close(); };
    this.window.onResizing = this.window.onResize = function () { this.layout.resize(); };
    this.enable();
};

// A button's deed, whatever it throws told as a sentence.
PF.Board.prototype.on = function (button, deed) {
    var panel = this;
    button.onClick = function () { panel.guard(deed); };
};

PF.Board.prototype.guard = function (deed) {
    this.node.begin();
    try {
        deed();
    } catch (fault) {
        this.fault(fault);
    }
};

PF.Board.prototype.fault = function (fault) {
    if (this.isOfConnection(fault)) { this.disconnected(fault); }
    this.say(this.words(fault));
};

PF.Board.prototype.words = function (fault) {
    return fault instanceof PF.Fault ? fault.message : "This did not work: " + fault;
};

PF.Board.prototype.isOfConnection = function (fault) {
    return fault instanceof PF.Fault && (fault.kind === "not running" || fault.kind === "broken");
};

// Told where the farm's state stands, so that it goes away by itself when the node is back.
PF.Board.prototype.disconnected = function (fault) {
    this.startNode.visible = fault.kind === "not running";
    this.state.text = fault.message;
};

PF.Board.prototype.say = function (sentence) { this.notice.text = sentence; };

PF.Board.prototype.close = function () {
    this.isClosed = true;
    if (this.task) { app.cancelTask(this.task); }
    this.picture.clear("");
    this.node.close();
};

// Sending: the button, what is asked first, and how the submission gets on.

PF.Board.prototype.chosen = function (mayMiss) {
    return {
        chunk: this.number(this.chunk, "Frames per task", 1, 500),
        priority: this.number(this.priority, "Priority", 0, 100),
        pool: PF.text.stripped(this.pool.text),
        severalFrames: this.frames.visible ? this.several.value === true : null,
        percent: this.number(this.percent, "Processor %", 1, 100),
        mayMiss: mayMiss
    };
};

PF.Board.prototype.number = function (field, name, low, high) {
    var text = PF.text.stripped(field.text);
    if (!/^\d{1,6}$/.test(text) || Number(text) < low || Number(text) > high) {
        throw new PF.Fault(name + " must be a whole number from " + low + " to " + high + ", not \"" + text + "\".");
    }
    return Number(text);
};

PF.Board.prototype.sendNow = function () {
    var said, found, chosen, asked = [], notes = [], i;
    if (this.submission !== null) {
        throw new PF.Fault("A project is being sent.", "Wait for it, or press Stop sending.");
    }
    said = PF.project.read();
    found = PF.submit.check(said);
    for (i = 0; i < found.length; i += 1) {
        if (found[i].kind === "stop") { throw new PF.Fault(found[i].sentence, found[i].remedy); }
        if (found[i].kind === "ask") { asked.push(PF.text.stripped(found[i].sentence + " " + found[i].remedy)); }
        if (found[i].kind === "note") { notes.push(PF.text.stripped(found[i].sentence + " " + found[i].remedy)); }
    }
    chosen = this.chosen(said.missing.length > 0 || said.fonts.length > 0);
    if (said.isDirty) {
        if (!confirm(PF.submit.UNSAVED[app.project["dirty"] === true ? "known" : "unknown"])) {
            this.say("Not sent.");
            return;
        }
        app.project.save();
        said = PF.project.read();
        if (app.project["dirty"] === true) {
            throw new PF.Fault("The project could not be saved.", "Save it by hand, then send it.");
        }
    }
    if (asked.length > 0 && !confirm(asked.join("\n\n") + "\n\nSend all the same?")) {
        this.say("Not sent.");
        return;
    }
    this.notes = notes.slice(0, 2).join(" ");
    this.submit({
        job: PF.submit.job(said, chosen),
        files: PF.submit.files(said),
        allow_missing: chosen.mayMiss,
        background: true
    });
};

PF.Board.prototype.submit = function (request) {
    this.request = request;
    this.sent(this.node.call("submit", request));
};

PF.Board.prototype.sent = function (answer) {
    if (answer.submission) {
        this.submission = answer.submission;
        this.say("Packing");
    } else {
        this.say(PF.text.stripped(PF.farm.submission({ state: "done", answer: answer }).sentence + " " + this.notes));
    }
    this.view.hurry();
    this.enable();
};

PF.Board.prototype.stopSending = function () {
    if (this.submission === null) { return; }
    try {
        this.heard(this.node.call("cancel_submission", { submission: this.submission }));
    } catch (fault) {
        // A node that is gone packs nothing any more, and nobody should have to wait for it.
        this.submission = null;
        this.enable();
        throw fault;
    }
};

// A node that was restarted knows the submission no more: then it is over.
PF.Board.prototype.follow = function () {
    try {
        this.heard(this.node.call("submission", { submission: this.submission }));
    } catch (fault) {
        if (!this.isOfConnection(fault)) {
            this.submission = null;
            this.enable();
        }
        throw fault;
    }
};

PF.Board.prototype.heard = function (row) {
    var told = PF.farm.submission(row);
    this.say(told.isDone ? PF.text.stripped(told.sentence + " " + this.notes) : told.sentence);
    if (told.isOver) {
        this.submission = null;
        this.view.hurry();
        this.enable();
    }
    if (told.isInTheWay) { this.replace(told.sentence); }
};

// Frames of an earlier render are replaced only when the artist says so.
PF.Board.prototype.replace = function (sentence) {
    if (!confirm(sentence + "\n\nReplace them?")) {
        this.say("Not sent.");
        return;
    }
    this.request.job.overwrite = true;
    this.submit(this.request);
};

// Looking at the farm: the timer's turns, the list of jobs, and what its buttons do.

// Called by the timer; during a render or a dialog After Effects calls nothing, and that is well.
PF.Board.prototype.tick = function () {
    var panel = this;
    this.task = 0;
    if (this.isClosed) { return; }
    this.guard(function () { panel.describe(); });
    if (!PF.network.isAllowed()) {
        this.state.text = PF.network.explain();
    } else if (!this.node.isQuiet()) {
        this.guard(function () { panel.turn(); });
    }
    this.plan();
};

PF.Board.prototype.turn = function () {
    try {
        if (this.submission !== null) {
            this.follow();
            if (!this.node.mayAsk()) { return; }
        }
        this.look();
    } catch (fault) {
        if (!this.isOfConnection(fault)) { throw fault; }
        this.disconnected(fault);
    }
};

PF.Board.prototype.plan = function () {
    var every = this.submission === null ? PF.Board.EVERY_MS : PF.Board.WHILE_SENDING_MS;
    this.task = app.scheduleTask("$.global.peerfarmPanel && $.global.peerfarmPanel.tick()", every, false);
};

// What would be sent, above the button.
PF.Board.prototype.describe = function () {
    var queue = app.project ? app.project.renderQueue : null, count = 0, names = [], i;
    for (i = 1; queue && i <= queue.numItems; i += 1) {
        if (queue.item(i).status === RQItemStatus.QUEUED) {
            count += 1;
            if (names.length < 3) { names.push(PF.Board.nameOf(queue.item(i))); }
        }
    }
    this.queue.text = count === 0 ? "Nothing is queued in the render queue." :
        PF.text.plural(count, "queued item", "queued items") + ": " + names.join(", ") + (count > 3 ? ", \u2026" : "");
};

PF.Board.nameOf = function (item) {
    try { return item.comp.name; } catch (ignored) { return "?"; }
};

PF.Board.prototype.refreshNow = function () {
    if (!PF.network.isAllowed()) {
        this.state.text = PF.network.explain();
        PF.network.openPreferences();
        return;
    }
    this.say("");
    this.describe();
    this.look();
};

PF.Board.prototype.look = function () {
    var more;
    this.view.look(this.node);
    this.startNode.visible = false;
    this.state.text = this.view.sentence();
    this.show(this.view.rows());
    more = this.view.more();
    this.more.text = more > 0 ? "and " + more + " older: `peerfarm jobs` shows all" : "";
    if (this.node.mayAsk()) { this.picture.look(this.node, this.selected() || this.rows[0] || null); }
};

// The list is built anew only when it changed, so that a selection stays.
PF.Board.prototype.show = function (rows) {
    var chosen = this.selected(), i, line;
    if (PF.json.write(rows) === PF.json.write(this.rows)) { return; }
    this.rows = rows;
    this.jobs.removeAll();
    for (i = 0; i < rows.length; i += 1) {
        line = this.jobs.add("item", rows[i].name);
        line.subItems[0].text = rows[i].bar;
        line.subItems[1].text = rows[i].words;
        if (chosen !== null && rows[i].id === chosen.id) { this.jobs.selection = i; }
    }
    this.enable();
};

PF.Board.prototype.selected = function () {
    var selection = this.jobs.selection;
    return selection ? this.rows[selection.index] || null : null;
};

PF.Board.prototype.enable = function () {
    var row = this.selected();
    this.send.enabled = this.submission === null;
    this.stop.enabled = this.submission !== null;
    this.pause.enabled = row !== null && (row.canPause || row.canResume);
    this.pause.text = row !== null && row.canResume ? "Resume" : "Pause";
    this.cancel.enabled = row !== null && row.canCancel;
    this.retry.enabled = row !== null && row.canRetry;
    this.folder.enabled = row !== null && row.output !== "";
    this.log.enabled = row !== null;
};

PF.Board.prototype.pauseOrResume = function () {
    var row = this.selected();
    if (row !== null) { this.control(row.canResume ? "resume" : "pause", row.canResume ? "Resumed" : "Paused"); }
};

PF.Board.prototype.control = function (method, word) {
    var row = this.selected();
    if (row === null) { return; }
    this.node.call(method, { job: row.id });
    this.say(word + ": " + row.name + ".");
    this.view.hurry();
    if (this.node.mayAsk()) { this.look(); }
};

PF.Board.prototype.openFolder = function () {
    var row = this.selected(), folder;
    if (row === null) { return; }
    folder = new Folder(row.output);
    if (!folder.exists || !folder.execute()) { throw new PF.Fault("There is no folder " + row.output + " yet."); }
};

PF.Board.prototype.showLog = function () {
    var row = this.selected(), told;
    if (row === null) { return; }
    told = this.node.call("log", { job: row.id, tail: PF.Board.LOG_BYTES });
    this.read(row.name, told.text || "The log is empty.");
};

// A long text in a window that scrolls; it stays until the artist closes it.
PF.Board.prototype.read = function (title, text) {
    var window = new Window("dialog", title), close;
    window.alignChildren = ["fill", "top"];
    window.add("edittext", [0, 0, 620, 360], text, { multiline: true, readonly: true });
    close = window.add("button", undefined, "Close");
    close.onClick = function () { window.close(); };
    window.show();
};

// Opening: one panel at a time; the former one's timer ends by itself.

PF.open = function () {
    var panel, former = $.global.peerfarmPanel;
    if (former) { former.close(); }
    panel = new PF.Board();
    panel.build(root);
    $.global.peerfarmPanel = panel;
    if (panel.window instanceof Window) {
        panel.window.center();
        panel.window.show();
    } else {
        panel.window.layout.layout(true);
    }
    panel.tick();
};

$.global.peerfarm = PF;
PF.open();

}(this));

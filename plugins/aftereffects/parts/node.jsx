// The connection to the node on this machine: one short request at a time, none longer than LIMIT_MS with all it takes.
// What goes wrong is thrown as a PF.Fault, with a sentence for the artist and what to do.

PF.LIMIT_MS = 2000;
PF.ROUND_MS = 500;
PF.PROTOCOL = 1;
PF.START_AGAIN_MS = 20000;

PF.Fault = function (sentence, hint, kind) {
    this.sentence = sentence;
    this.hint = hint || "";
    this.kind = kind || "";
    this.message = sentence + (hint ? " " + hint : "");
};
PF.Fault.prototype.toString = function () { return this.message; };

PF.home = function () {
    var chosen = $.getenv("PEERFARM_HOME");
    return chosen ? new Folder(chosen) : new Folder("~/.peerfarm");
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
    this.startedAt = -PF.START_AGAIN_MS;
    this.until = 0;
    this.roundUntil = 0;
};

PF.now = function () { return new Date().getTime(); };

// A click or a turn of the timer begins. Its first request is always made; more only while `mayAsk`, so that no turn
// takes longer than ROUND_MS and one request.
PF.Node.prototype.begin = function () { this.roundUntil = PF.now() + PF.ROUND_MS; };
PF.Node.prototype.mayAsk = function () { return PF.now() < this.roundUntil; };

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
        return this.ask(method, params || {});
    } catch (fault) {
        if (!(fault instanceof PF.Fault) || fault.kind === "broken") { this.close(); }
        throw fault;
    }
};

PF.Node.prototype.open = function () {
    var found = PF.readFile("local.json"), socket;
    if (found === null || typeof found.port !== "number" || typeof found.token !== "string") {
        throw new PF.Fault("peerfarm is not running.", "Press Start peerfarm.", "not running");
    }
    socket = new Socket();
    socket.timeout = PF.LIMIT_MS / 1000;
    if (!socket.open("127.0.0.1:" + found.port, "UTF-8")) {
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
        throw fault;
    }
};

PF.Node.prototype.ask = function (method, params) {
    var id = this.next, line, answer, left;
    this.next += 1;
    if (!this.socket.writeln(PF.json.write({ jsonrpc: "2.0", id: id, method: method, params: params }))) {
        throw new PF.Fault("peerfarm went away.", "It is asked again in a moment.", "broken");
    }
    for (left = this.until - PF.now(); left > 0; left = this.until - PF.now()) {
        this.socket.timeout = Math.max(1, Math.round(left / 1000));
        line = this.socket.readln();
        if (line === null || line === undefined || PF.text.stripped(line) === "") {
            break;
        }
        try {
            answer = PF.json.read(line);
        } catch (garbage) {
            throw new PF.Fault("What answers on peerfarm's port is not peerfarm.", "Restart peerfarm.", "broken");
        }
        if (answer && answer.id === id) { return this.judge(answer); }
        if (answer && answer.error && (answer.id === null || answer.id === undefined)) { return this.judge(answer); }
    }
    throw new PF.Fault("peerfarm did not answer in time.", "It is asked again in a moment.", "broken");
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

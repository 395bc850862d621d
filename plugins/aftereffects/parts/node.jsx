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

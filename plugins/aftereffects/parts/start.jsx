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

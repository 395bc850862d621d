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

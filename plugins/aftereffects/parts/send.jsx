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

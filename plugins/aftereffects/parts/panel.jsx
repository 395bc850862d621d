// The panel itself. Every button ends in a sentence; nothing that happens here may throw into After Effects.

PF.Panel = function (root) {
    this.node = new PF.Node();
    this.submission = null;
    this.rows = [];
    this.isClosed = false;
    this.build(root);
};

PF.Panel.EVERY_MS = 3000;
PF.Panel.WHILE_SENDING_MS = 700;

PF.Panel.prototype.build = function (root) {
    var panel = this, group, options;
    this.window = root instanceof Panel ? root : new Window("palette", "peerfarm", undefined, { resizeable: true });
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
    this.notice.preferredSize = [320, 50];
    this.state = this.window.add("statictext", undefined, "", { multiline: true });
    this.state.preferredSize = [320, 34];
    this.jobs = this.window.add("listbox", undefined, [], {
        numberOfColumns: 3, showHeaders: true, columnTitles: ["Job", "Progress", "State"], columnWidths: [110, 120, 200]
    });
    this.jobs.preferredSize = [320, 160];

    group = this.window.add("group");
    this.pause = group.add("button", undefined, "Pause");
    this.cancel = group.add("button", undefined, "Cancel");
    this.retry = group.add("button", undefined, "Retry");
    this.folder = group.add("button", undefined, "Open folder");
    this.log = group.add("button", undefined, "Show log");

    this.on(this.send, function () { panel.sendNow(); });
    this.on(this.stop, function () { panel.stopSending(); });
    this.on(this.refresh, function () { panel.look(); });
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
PF.Panel.prototype.on = function (button, deed) {
    var panel = this;
    button.onClick = function () { panel.guard(deed); };
};

PF.Panel.prototype.guard = function (deed) {
    try {
        deed();
    } catch (fault) {
        this.fault(fault);
    }
};

PF.Panel.prototype.fault = function (fault) {
    this.startNode.visible = fault instanceof PF.Fault && fault.kind === "not running";
    this.say(fault instanceof PF.Fault ? fault.message : "This did not work: " + fault);
};

PF.Panel.prototype.say = function (sentence) { this.notice.text = sentence; };

PF.Panel.prototype.chosen = function (mayMiss) {
    return {
        chunk: this.number(this.chunk, "Frames per task", 1, 500),
        priority: this.number(this.priority, "Priority", 0, 100),
        pool: PF.text.trim(this.pool.text),
        severalFrames: this.several.value === true,
        percent: this.number(this.percent, "Processor %", 1, 100),
        mayMiss: mayMiss
    };
};

PF.Panel.prototype.number = function (field, name, low, high) {
    var text = PF.text.trim(field.text);
    if (!/^\d{1,6}$/.test(text) || Number(text) < low || Number(text) > high) {
        throw new PF.Fault(name + " must be a whole number from " + low + " to " + high + ", not \"" + text + "\".");
    }
    return Number(text);
};

PF.Panel.prototype.sendNow = function () {
    var said, found, chosen, asked = [], i;
    if (this.submission !== null) { throw new PF.Fault("A project is being sent.", "Wait for it, or press Stop sending."); }
    said = PF.project.read();
    found = PF.submit.check(said);
    for (i = 0; i < found.length; i += 1) {
        if (found[i].kind === "stop") { throw new PF.Fault(found[i].sentence, found[i].remedy); }
        if (found[i].kind === "ask") { asked.push(found[i].sentence + " " + found[i].remedy); }
    }
    chosen = this.chosen(said.missing.length > 0 || said.fonts.length > 0);
    if (said.isDirty) {
        if (!confirm("The project has changes that are not saved, and machines render what is saved. Save and send?")) {
            this.say("Not sent.");
            return;
        }
        app.project.save();
        said = PF.project.read();
    }
    if (asked.length > 0 && !confirm(asked.join("\n\n") + "\n\nSend all the same?")) {
        this.say("Not sent.");
        return;
    }
    this.sent(this.node.call("submit", {
        job: PF.submit.job(said, chosen),
        files: said.files,
        allow_missing: chosen.mayMiss,
        background: true
    }));
};

PF.Panel.prototype.sent = function (answer) {
    if (answer.submission) {
        this.submission = answer.submission;
        this.say("Packing");
    } else {
        this.say(PF.farm.submission({ state: "done", answer: answer }).sentence);
    }
    this.enable();
    this.look();
};

PF.Panel.prototype.stopSending = function () {
    if (this.submission !== null) { this.node.call("cancel_submission", { submission: this.submission }); }
    this.follow();
};

PF.Panel.prototype.follow = function () {
    var told;
    if (this.submission === null) { return; }
    told = PF.farm.submission(this.node.call("submission", { submission: this.submission }));
    this.say(told.sentence);
    if (told.isOver) {
        this.submission = null;
        this.enable();
    }
};

PF.Panel.prototype.look = function () {
    var seen = PF.farm.look(this.node);
    this.startNode.visible = false;
    this.state.text = seen.sentence;
    this.show(seen.jobs);
};

// The list is built anew only when it changed, so that a selection stays.
PF.Panel.prototype.show = function (rows) {
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

PF.Panel.prototype.selected = function () {
    var selection = this.jobs.selection;
    return selection ? this.rows[selection.index] || null : null;
};

PF.Panel.prototype.enable = function () {
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

PF.Panel.prototype.pauseOrResume = function () {
    var row = this.selected();
    if (row !== null) { this.control(row.canResume ? "resume" : "pause", row.canResume ? "Resumed" : "Paused"); }
};

PF.Panel.prototype.control = function (method, word) {
    var row = this.selected();
    if (row === null) { return; }
    this.node.call(method, { job: row.id });
    this.say(word + ": " + row.name + ".");
    this.look();
};

PF.Panel.prototype.openFolder = function () {
    var row = this.selected(), folder;
    if (row === null) { return; }
    folder = new Folder(row.output);
    if (!folder.exists || !folder.execute()) { throw new PF.Fault("There is no folder " + row.output + " yet."); }
};

PF.Panel.prototype.showLog = function () {
    var row = this.selected(), told;
    if (row === null) { return; }
    told = this.node.call("log", { job: row.id, tail: 4000 });
    alert(told.text || "The log is empty.", row.name);
};

// Called by the timer; during a render or a dialog After Effects calls nothing, and that is well.
PF.Panel.prototype.tick = function () {
    var panel = this;
    if (this.isClosed) { return; }
    this.guard(function () {
        if (panel.submission !== null) { panel.follow(); }
        panel.describe();
        panel.look();
    });
    this.plan();
};

PF.Panel.prototype.plan = function () {
    var every = this.submission === null ? PF.Panel.EVERY_MS : PF.Panel.WHILE_SENDING_MS;
    app.scheduleTask("$.global.peerfarmPanel && $.global.peerfarmPanel.tick()", every, false);
};

// What would be sent, above the button.
PF.Panel.prototype.describe = function () {
    var queue = app.project ? app.project.renderQueue : null, count = 0, names = [], i;
    for (i = 1; queue && i <= queue.numItems; i += 1) {
        if (queue.item(i).status === RQItemStatus.QUEUED) {
            count += 1;
            if (names.length < 3) { names.push(queue.item(i).comp.name); }
        }
    }
    this.queue.text = count === 0 ? "Nothing is queued in the render queue." :
        PF.text.plural(count, "queued item", "queued items") + ": " + names.join(", ") + (count > 3 ? ", \u2026" : "");
};

PF.Panel.prototype.close = function () {
    this.isClosed = true;
    this.node.close();
};

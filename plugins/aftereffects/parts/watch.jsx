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

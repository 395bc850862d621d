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

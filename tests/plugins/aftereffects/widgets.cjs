// ScriptUI's widgets without a screen: a tree that a test may look at, and whose buttons it may press.
"use strict";

const fs = require("node:fs");

const BUTTONED = new Set(["button", "checkbox"]);

class Widget {
    constructor(type, parent, text) {
        this.type = type;
        this.parent = parent;
        this.text = text === undefined ? "" : String(text);
        this.enabled = true;
        this.visible = true;
        this.children = [];
        this.layout = { layout() { return undefined; }, resize() { return undefined; } };
    }

    add(type, bounds, text, more) {
        if (!["statictext", "edittext", "button", "checkbox", "listbox", "group", "panel", "image"].includes(type)) {
            throw new Error(`ScriptUI has no widget ${type}`);
        }
        const made = type === "listbox" ? new ListBox(this, more) : new Widget(type, this, text);
        if (type === "checkbox") { made.value = false; }
        if (type === "image") { made.image = null; }
        this.children.push(made);
        return made;
    }

    center() { return undefined; }

    show() { this.isShown = true; }

    /** All widgets below, in the order in which they stand. */
    all() { return this.children.flatMap((child) => [child, ...child.all()]); }

    press() {
        if (!this.enabled || !this.visible) { throw new Error(`"${this.text}" cannot be pressed now`); }
        if (this.type === "checkbox") { this.value = !this.value; }
        if (BUTTONED.has(this.type) && this.onClick) { this.onClick(); }
    }
}

class ListBox extends Widget {
    constructor(parent, more) {
        super("listbox", parent, "");
        this.columns = more.numberOfColumns;
        this.titles = more.columnTitles;
        this.widths = more.columnWidths;
        this.items = [];
        this.chosen = null;
    }

    add(type, text) {
        const item = { text, index: this.items.length, subItems: [] };
        for (let i = 1; i < this.columns; i += 1) { item.subItems.push({ text: "" }); }
        this.items.push(item);
        return item;
    }

    removeAll() { this.items = []; this.chosen = null; }

    get selection() { return this.chosen; }

    set selection(which) {
        this.chosen = typeof which === "number" ? this.items[which] : which;
        if (this.onChange) { this.onChange(); }
    }
}

class Window extends Widget {
    constructor(type, title) { super(type, null, title); }
}

/** ScriptUI's own words; an image is a file that is there, and a whole PNG. */
const ScriptUI = {
    newImage(name) {
        const bytes = fs.readFileSync(name);
        const isPng = bytes.subarray(0, 8).toString("latin1") === "\x89PNG\r\n\x1a\n";
        if (!isPng || bytes.subarray(-8, -4).toString("latin1") !== "IEND") { throw new Error("no image"); }
        return { name, format: "PNG" };
    },
};

class Panel extends Widget {
    constructor() { super("panel", null, "peerfarm"); }
}

/** What a test sees of a tree. */
function seen(widget) {
    const told = { type: widget.type, text: widget.text, enabled: widget.enabled, visible: widget.visible };
    if (widget.type === "checkbox") { told.value = widget.value; }
    if (widget.type === "image") { told.image = widget.image ? widget.image.name : null; }
    if (widget.type === "listbox") {
        told.titles = widget.titles;
        told.widths = widget.widths;
        told.selection = widget.selection ? widget.selection.index : null;
        told.rows = widget.items.map((item) => [item.text, ...item.subItems.map((one) => one.text)]);
    }
    return { ...told, orientation: widget.orientation || "row", characters: widget.characters || 0,
        size: widget.preferredSize || null, children: widget.children.map(seen) };
}

module.exports = { Panel, ScriptUI, Window, seen };

// Runs the panel as After Effects would. Reads one JSON object a line and answers each with one: what the panel shows,
// what it asked the artist, and what it cost. The first line describes the stage (see aftereffects_rig.py).
"use strict";

const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const readline = require("node:readline");
const { application } = require("./application.cjs");
const { disk } = require("./disk.cjs");
const { forgetful, run } = require("./es3.cjs");
const { sockets } = require("./socket.cjs");
const { Panel, ScriptUI, Window, seen } = require("./widgets.cjs");

let stage = null;

function build(told) {
    const { File, Folder, opened } = disk(told.temporary);
    const net = sockets(told.hasty || 1);
    const asked = [];
    const answers = { confirm: told.confirm !== false };
    const windows = [];
    const shell = { ...process.env, ...told.environment };
    class Shown extends Window {
        constructor(type, title) {
            super(type, title);
            if (type !== "dialog") { windows.push(this); }
        }

        // A dialog holds the script up until the artist has read and closed it.
        show() {
            super.show();
            if (this.type !== "dialog") { return; }
            asked.push(`${this.text}: ${this.all().filter((one) => one.type === "edittext").map((one) => one.text)}`);
            this.all().find((one) => one.type === "button").press();
            if (!this.isClosed) { throw new Error("the dialog stays open"); }
        }

        close() { this.isClosed = true; }
    }
    const made = { told, net, opened, asked, answers, windows, calls: [], ticked: [] };
    const text = (code) => run(made.context, code, "task");
    const { app, hidden, globals } = application(told, File, text);
    made.app = app;
    made.hidden = hidden;
    const $ = {
        os: told.os || "Macintosh OS 14.1",
        global: {},
        getenv: (name) => (told.environment || {})[name] || null,
    };
    made.context = forgetful({
        ...globals, File, Folder, Panel, ScriptUI, Window: Shown, Socket: net.Socket, $,
        system: {
            callSystem(command) {
                made.calls.push(command);
                return spawnSync("/bin/sh", ["-c", command], { encoding: "utf8", env: shell }).stdout;
            },
        },
        confirm(question) { asked.push(question); return answers.confirm; },
        alert(words, title) { asked.push(`${title}: ${words}`); },
    });
    made.$ = $;
    return made;
}

// After Effects gives a docked panel's script its panel as `this`.
function open() {
    const source = fs.readFileSync(stage.told.script, "utf8");
    const docked = stage.told.docked ? new Panel() : null;
    if (docked) {
        stage.windows.push(docked);
        stage.context.docked = docked;
        run(stage.context, `(function () {${source}\n}).call(docked)`, "peerfarm.jsx");
    } else {
        run(stage.context, source, "peerfarm.jsx");
    }
}

const deeds = {
    build(told) { stage = build(told); open(); },
    open() { open(); },
    tick() { stage.ticked = stage.hidden.turn(); },
    look() { return undefined; },
    press({ button }) { find((widget) => widget.text === button && widget.visible).press(); },
    type({ label, text }) {
        const all = panel().all();
        all[all.findIndex((widget) => widget.text === label) + 1].text = text;
    },
    choose({ row }) { find((widget) => widget.type === "listbox").selection = row; },
    answer({ confirm }) { stage.answers.confirm = confirm; },
    project({ project }) { stage.hidden.open(project); },
    allow({ network }) { stage.hidden.isAllowed = network; },
    close() { panel().onClose(); },
    evaluate({ code }) { return run(stage.context, code, "test"); },
};

function panel() { return stage.windows[stage.windows.length - 1]; }

function find(fits) {
    const found = panel().all().find(fits);
    if (!found) { throw new Error("the panel shows no such widget"); }
    return found;
}

function answer(line) {
    const message = JSON.parse(line);
    const before = stage === null ? null : { ...stage.net.counts };
    let value;
    let thrown = "";
    try {
        value = deeds[message.deed](message);
    } catch (error) {
        thrown = String(error && error.stack ? error.stack : error);
    }
    const counts = stage.net.counts;
    const cost = before === null ? { ...counts } : {
        opened: counts.opened - before.opened, requests: counts.requests - before.requests,
        waited_s: counts.waited_s - before.waited_s,
    };
    return {
        thrown, value, cost, widgets: stage.windows.length > 0 ? seen(panel()) : null, windows: stage.windows.length,
        asked: stage.asked.splice(0), opened: stage.opened.splice(0), calls: stage.calls.splice(0),
        commands: stage.hidden.commands.splice(0), due: stage.hidden.tasks.map((task) => task.ms),
        saves: stage.app.project ? stage.app.project.saves : 0,
    };
}

const lines = readline.createInterface({ input: process.stdin, terminal: false });
lines.on("line", (line) => process.stdout.write(`${JSON.stringify(answer(line))}\n`));
lines.on("close", () => process.exit(0));

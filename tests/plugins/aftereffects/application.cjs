// After Effects as far as the panel knows it: a project with a render queue, compositions, layers, footage and fonts,
// built from a test's description; preferences; tasks that run when the test says that their time has come.
"use strict";

const fs = require("node:fs");

class CompItem {}
class FootageItem {}
class FileSource {}
class SolidSource {}

const PREFType = { PREF_Type_MACHINE_SPECIFIC: 8412, PREF_Type_MACHINE_INDEPENDENT: 8413 };
const RQItemStatus = { QUEUED: 3015, DONE: 3019, UNQUEUED: 3014 };
const FramesCountType = { FC_START_0: 2612, FC_START_1: 2613, FC_TIMECODE_CONVERSION: 2614 };

/** A collection of the application's: counts from 1 and says so when it is asked for 0. */
function counted(list, what) {
    return (index) => {
        if (!(index >= 1 && index <= list.length)) { throw new Error(`After Effects error: no ${what} ${index}`); }
        return list[index - 1];
    };
}

function source(told, File) {
    const made = new FileSource();
    made.isStill = told.isStill !== false;
    made.missingFootagePath = told.missing ? told.file : "";
    Object.defineProperty(made, "file", { get: () => (told.missing ? null : new File(told.file)) });
    return made;
}

function footage(told, id, File) {
    const made = new FootageItem();
    made.id = id;
    made.name = told.name || String(told.file);
    made.footageMissing = told.missing === true;
    made.mainSource = told.file ? source(told, File) : new SolidSource();
    made.useProxy = Boolean(told.proxy);
    made.proxySource = told.proxy ? source({ file: told.proxy }, File) : null;
    return made;
}

/** Compositions by name; a layer names footage by `file`, another composition by `comp`, or is a camera. */
function comps(told, File) {
    const made = new Map();
    let id = 1;
    for (const one of told) {
        const comp = new CompItem();
        Object.assign(comp, { id: id++, name: one.name, frameRate: one.frameRate || 25, displayStartTime: one.start || 0,
            width: 640, height: 360,
            duration: one.duration || 1, useProxy: false, proxySource: null });
        made.set(one.name, comp);
    }
    for (const one of told) {
        const layers = (one.layers || []).map((layer) => {
            if (layer.broken) { return { get source() { throw new Error("After Effects error: layer is invalid"); } }; }
            if (layer.comp) { return { source: made.get(layer.comp) }; }
            return { source: layer.camera ? null : footage(layer, id++, File) };
        });
        const comp = made.get(one.name);
        comp.numLayers = layers.length;
        comp.layer = counted(layers, "layer");
    }
    return made;
}

function queueItem(told, made, File) {
    if (told.broken) {
        const status = RQItemStatus.QUEUED;
        return { status, get comp() { throw new Error("After Effects error: the item is invalid"); } };
    }
    const outputs = (told.outputs || []).map((file) => ({ file: file === null ? null : new File(file) }));
    const comp = made.get(told.comp);
    return { comp, status: RQItemStatus[told.status || "QUEUED"], timeSpanStart: told.start || 0,
        timeSpanDuration: told.duration || comp.duration, skipFrames: told.skip || 0, numOutputModules: outputs.length,
        outputModule: counted(outputs, "output module") };
}

function project(told, File) {
    const made = comps(told.comps || [], File);
    const items = (told.queue || []).map((one) => queueItem(one, made, File));
    return {
        file: told.file ? new File(told.file) : null,
        dirty: told.dirty === true,
        saves: 0,
        framesCountType: FramesCountType[told.framesCountType || "FC_START_0"],
        renderQueue: { numItems: items.length, item: counted(items, "item") },
        save() {
            if (told.readOnly) { return; }
            if (told.saved) { fs.writeFileSync(this.file.fsName, Buffer.from(told.saved, "base64")); }
            this.saves += 1;
            this.dirty = false;
        },
    };
}

/** The global `app`, and what only a test may see of it in `hidden`. */
function application(told, File, runText) {
    const hidden = { tasks: [], commands: [], isAllowed: told.networkAllowed !== false };
    let taskId = 0;
    const places = told.preferences || [{ section: "Main Pref Section", kind: "MACHINE_SPECIFIC" }];
    const kept = (where, kind = PREFType.PREF_Type_MACHINE_SPECIFIC) => places.find((one) => (
        one.section === where && PREFType[`PREF_Type_${one.kind}`] === kind));
    const app = {
        version: told.version || "24.1x77",
        project: told.project ? project(told.project, File) : null,
        preferences: {
            havePref: (where, key, kind) => Boolean(kept(where, kind)),
            getPrefAsLong(where, key, kind) {
                if (!kept(where, kind)) { throw new Error("After Effects error: no such preference"); }
                return kept(where, kind).isStale || !hidden.isAllowed ? 0 : 1;
            },
        },
        scheduleTask(code, ms) {
            taskId += 1;
            hidden.tasks.push({ id: taskId, code, ms });
            return taskId;
        },
        cancelTask(id) { hidden.tasks = hidden.tasks.filter((task) => task.id !== id); },
        executeCommand(id) { if (hidden.isTurn) { hidden.commands.push(id); } },
    };
    if (told.missingFonts) {
        app.fonts = { missingOrSubstitutedFonts: told.missingFonts.map((name) => ({ postScriptName: name })) };
    }
    hidden.open = (next) => { app.project = next ? project(next, File) : null; };
    // A command that is called outside a task's turn is lost, as in After Effects.
    hidden.turn = () => {
        const due = hidden.tasks.splice(0);
        hidden.isTurn = true;
        due.forEach((task) => runText(task.code));
        hidden.isTurn = false;
        return due.map((task) => task.ms);
    };
    return { app, hidden, globals: { app, PREFType, CompItem, FootageItem, FileSource, RQItemStatus, FramesCountType } };
}

module.exports = { application };

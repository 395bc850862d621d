// ExtendScript's File and Folder on the real disk, as far as the panel uses them.
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

function full(name) {
    const text = String(name);
    return path.resolve(text.startsWith("~") ? os.homedir() + text.slice(1) : text);
}

/** {File, Folder, opened}: `opened` lists the folders that were shown to the artist. */
function disk() {
    const opened = [];

    function Entry(name) {
        this.fsName = full(name);
        this.name = encodeURI(path.basename(this.fsName));
    }
    Object.defineProperty(Entry.prototype, "exists", { get() { return this.isThere(); } });
    Object.defineProperty(Entry.prototype, "parent", { get() { return new Folder(path.dirname(this.fsName)); } });

    function File(name) { Entry.call(this, name); }
    File.prototype = Object.create(Entry.prototype);
    File.prototype.isThere = function () { return fs.existsSync(this.fsName) && fs.statSync(this.fsName).isFile(); };
    File.prototype.open = function (mode) { return mode === "r" && this.isThere(); };
    File.prototype.read = function () { return fs.readFileSync(this.fsName, "utf8"); };
    File.prototype.close = function () { return true; };

    function Folder(name) { Entry.call(this, name); }
    Folder.prototype = Object.create(Entry.prototype);
    Folder.prototype.isThere = function () { return fs.existsSync(this.fsName) && fs.statSync(this.fsName).isDirectory(); };
    Folder.prototype.getFiles = function () {
        return fs.readdirSync(this.fsName, { withFileTypes: true }).map((entry) => {
            const found = path.join(this.fsName, entry.name);
            return entry.isDirectory() ? new Folder(found) : new File(found);
        });
    };
    Folder.prototype.execute = function () { opened.push(this.fsName); return true; };

    return { File, Folder, opened };
}

module.exports = { disk };

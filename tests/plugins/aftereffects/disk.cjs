// ExtendScript's File and Folder on the real disk, as far as the panel uses them.
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

function full(name) {
    const text = String(name);
    return path.resolve(text.startsWith("~") ? os.homedir() + text.slice(1) : text);
}

/** {File, Folder, opened}: `opened` lists the folders that were shown to the artist; `temporary` is their own one. */
function disk(temporary) {
    const opened = [];

    function Entry(name) {
        this.fsName = full(name);
        this.name = encodeURIComponent(path.basename(this.fsName));
    }
    Object.defineProperty(Entry.prototype, "exists", { get() { return this.isThere(); } });
    Object.defineProperty(Entry.prototype, "parent", { get() { return new Folder(path.dirname(this.fsName)); } });

    function File(name) { Entry.call(this, name); }
    File.prototype = Object.create(Entry.prototype);
    File.prototype.isThere = function () { return fs.existsSync(this.fsName) && fs.statSync(this.fsName).isFile(); };
    File.prototype.open = function (mode) {
        this.writing = mode === "w" ? "" : null;
        return mode === "w" || this.isThere();
    };
    File.prototype.read = function () { return fs.readFileSync(this.fsName, "utf8"); };
    File.prototype.write = function (text) { this.writing += text; return true; };
    File.prototype.close = function () {
        if (typeof this.writing === "string") {
            fs.writeFileSync(this.fsName, this.writing, this.encoding === "BINARY" ? "latin1" : "utf8");
        }
        return true;
    };
    File.prototype.remove = function () { fs.rmSync(this.fsName); return true; };
    Object.defineProperty(File.prototype, "modified", { get() { return fs.statSync(this.fsName).mtime; } });

    function Folder(name) { Entry.call(this, name); }
    Folder.prototype = Object.create(Entry.prototype);
    Folder.prototype.isThere = function () { return fs.existsSync(this.fsName) && fs.statSync(this.fsName).isDirectory(); };
    Folder.prototype.getFiles = function (mask) {
        const words = (mask || "*").split("*").map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
        const fits = new RegExp(`^${words.join(".*")}$`, "i");
        const entries = fs.readdirSync(this.fsName, { withFileTypes: true });
        return entries.filter((entry) => fits.test(entry.name)).map((entry) => {
            const found = path.join(this.fsName, entry.name);
            return entry.isDirectory() ? new Folder(found) : new File(found);
        });
    };
    Object.defineProperty(Folder, "temp", { get: () => new Folder(temporary || os.tmpdir()) });
    Folder.prototype.execute = function () { opened.push(this.fsName); return true; };

    return { File, Folder, opened };
}

module.exports = { disk };

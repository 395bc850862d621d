// A small picture of a job's last finished frame, in a file of its own: ScriptUI shows files alone.

PF.picture = {};

PF.picture.SIZE = 128;
PF.picture.HEIGHT = 72;
// Letters of base64: far more than a picture of SIZE takes.
PF.picture.LONGEST = 200000;
PF.picture.NAME = "peerfarm-panel-";
PF.picture.OLD_MS = 24 * 3600 * 1000;
PF.picture.LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The bytes as a text of one letter each; null when it is no base64.
PF.picture.bytes = function (text) {
    var values = {}, out = [], i, word, pad;
    pad = /=*$/.exec(text)[0].length;
    if (text.length % 4 !== 0 || pad > 2) { return null; }
    for (i = 0; i < 64; i += 1) { values[PF.picture.LETTERS.charAt(i)] = i; }
    for (i = 0; i < pad; i += 1) { values["="] = 0; }
    for (i = 0; i < text.length; i += 4) {
        word = values[text.charAt(i)] * 262144 + values[text.charAt(i + 1)] * 4096 +
            values[text.charAt(i + 2)] * 64 + values[text.charAt(i + 3)];
        if (isNaN(word)) { return null; }
        out.push(
            String.fromCharCode(Math.floor(word / 65536)) +
            String.fromCharCode(Math.floor(word / 256) % 256) +
            String.fromCharCode(word % 256)
        );
    }
    return out.join("").substr(0, text.length / 4 * 3 - pad);
};

// Shows one picture at a time in `image`, and says in `words` what it is, or why there is none.
PF.picture.View = function (image, words) {
    this.image = image;
    this.words = words;
    this.wanted = "";
    this.size = PF.picture.SIZE;
    this.shown = "";
    this.file = null;
    this.number = 0;
    PF.picture.sweep();
};

// What panels that ended by a crash left behind.
PF.picture.sweep = function () {
    var found, i;
    try {
        found = Folder.temp.getFiles(PF.picture.NAME + "*.png");
        for (i = 0; i < found.length && i < 50; i += 1) {
            if (found[i] instanceof File && PF.now() - found[i].modified.getTime() > PF.picture.OLD_MS) {
                found[i].remove();
            }
        }
    } catch (ignored) {
        return;
    }
};

// Asks only for a job whose frames are other ones than those that are shown, and never waits while a picture is made:
// it comes back for it. Throws PF.Fault.
PF.picture.View.prototype.look = function (node, row) {
    var wanted = row !== null && row.done > 0 ? row.id + " " + row.done + " " + row.stage : "", told;
    if (wanted === this.shown) { return; }
    if (wanted === "") {
        this.clear("");
        this.shown = "";
        return;
    }
    if (wanted !== this.wanted) {
        this.wanted = wanted;
        this.size = PF.picture.SIZE;
    }
    told = node.call("thumbnail", { job: row.id, size: this.size, wait: false }) || {};
    if (told.is_coming === true) { return; }
    if (told.height > PF.picture.HEIGHT && this.size > PF.picture.HEIGHT) {
        this.size = PF.picture.HEIGHT;
        return;
    }
    this.shown = wanted;
    if (told.frame && typeof told.png === "string" && told.png.length <= PF.picture.LONGEST) {
        this.show(told, row);
    } else {
        this.clear(told.reason ? "No picture: " + told.reason : "");
    }
};

PF.picture.View.prototype.show = function (told, row) {
    var bytes = PF.picture.bytes(told.png), file;
    this.clear("");
    if (bytes === null) { return; }
    this.number += 1;
    file = new File(Folder.temp.fsName + "/" + PF.picture.NAME + PF.now() + "-" + this.number + ".png");
    this.file = file;
    file.encoding = "BINARY";
    try {
        if (file.open("w")) {
            file.write(bytes);
            file.close();
            this.image.image = ScriptUI.newImage(file.fsName);
            this.words.text = row.name + ": " + told.frame;
        }
    } catch (ignored) {
        this.clear("The picture of " + told.frame + " cannot be shown.");
    }
};

// The file goes with the picture: never more than one lies in the temporary folder.
PF.picture.View.prototype.clear = function (words) {
    this.words.text = words;
    try { this.image.image = null; } catch (ignored) { this.words.text = words; }
    if (this.file !== null) {
        try { this.file.remove(); } catch (ignored) { this.words.text = words; }
        this.file = null;
    }
};

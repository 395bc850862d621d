// Small things that ES3 lacks, and words for people.

PF.text = {};

PF.text.stripped = function (text) { return String(text).replace(/^\s+|\s+$/g, ""); };

PF.text.has = function (list, value) {
    var i;
    for (i = 0; i < list.length; i += 1) { if (list[i] === value) { return true; } }
    return false;
};

// A path's last part, by its own letters: `File.name` has them as %20 and the like.
PF.text.base = function (path) {
    return String(path).replace($.os.indexOf("Windows") >= 0 ? /^.*[\/\\]/ : /^.*\//, "");
};

// What is the matter, and what to do about it, as two sentences.
PF.text.advised = function (sentence, hint) {
    if (!hint) { return String(sentence); }
    return sentence + (/[.!?]$/.test(sentence) ? " " : ". ") + hint;
};

PF.text.plural = function (count, one, many) { return count + " " + (count === 1 ? one : many); };

PF.text.CELLS = 6;

// A share of 1 as a bar of a few cells and a percentage.
PF.text.bar = function (share) {
    var full = Math.floor(Math.max(0, Math.min(1, share)) * PF.text.CELLS + 0.0001), out = "", i;
    for (i = 0; i < PF.text.CELLS; i += 1) { out += i < full ? "\u2588" : "\u2591"; }
    return out + " " + Math.floor(share * 100 + 0.0001) + " %";
};

// Seconds as "2 h 5 min", "3 min" or "20 s"; empty when nobody knows.
PF.text.duration = function (seconds) {
    var minutes;
    if (typeof seconds !== "number" || seconds < 0) { return ""; }
    if (seconds < 60) { return Math.ceil(seconds) + " s"; }
    minutes = Math.round(seconds / 60);
    if (minutes < 60) { return minutes + " min"; }
    return Math.floor(minutes / 60) + " h " + (minutes % 60) + " min";
};

PF.text.size = function (bytes) {
    var units = ["B", "KB", "MB", "GB", "TB"], i = 0;
    while (bytes >= 1000 && i < units.length - 1) { bytes /= 1000; i += 1; }
    return (i === 0 ? String(bytes) : bytes.toFixed(1)) + " " + units[i];
};

// JSON for a language that has none: a strict reader without eval, and a writer whose lines are plain ASCII.

PF.json = {};

PF.json.write = function (value) {
    var parts, key, i;
    if (value === null || value === undefined) { return "null"; }
    if (typeof value === "boolean") { return value ? "true" : "false"; }
    if (typeof value === "number") { return isFinite(value) ? String(value) : "null"; }
    if (typeof value === "string") { return PF.json.quote(value); }
    parts = [];
    if (value instanceof Array) {
        for (i = 0; i < value.length; i += 1) { parts.push(PF.json.write(value[i])); }
        return "[" + parts.join(",") + "]";
    }
    for (key in value) {
        if (value.hasOwnProperty(key) && value[key] !== undefined) {
            parts.push(PF.json.quote(key) + ":" + PF.json.write(value[key]));
        }
    }
    return "{" + parts.join(",") + "}";
};

PF.json.quote = function (text) {
    var out = "\"", i, code, hex;
    for (i = 0; i < text.length; i += 1) {
        code = text.charCodeAt(i);
        if (code === 34 || code === 92) {
            out += "\\" + text.charAt(i);
        } else if (code < 32 || code > 126) {
            hex = code.toString(16);
            while (hex.length < 4) { hex = "0" + hex; }
            out += "\\u" + hex;
        } else {
            out += text.charAt(i);
        }
    }
    return out + "\"";
};

// Gives the value, or throws an Error whose message says where reading stopped.
PF.json.read = function (text) {
    var at = 0, depth = 0, value;

    function fail(what) { throw new Error("no JSON at " + at + ": " + what); }

    function skip() {
        while (at < text.length && " \t\r\n".indexOf(text.charAt(at)) >= 0) { at += 1; }
    }

    function word(name, meaning) {
        if (text.substr(at, name.length) !== name) { fail("odd word"); }
        at += name.length;
        return meaning;
    }

    // Whole pieces at a time: a picture is one string of many thousand letters.
    function string() {
        var out = "", end, slash, letter, escapes = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
        at += 1;
        while (true) {
            end = text.indexOf("\"", at);
            if (end < 0) { return fail("a text without an end"); }
            slash = text.substring(at, end).indexOf("\\");
            if (slash < 0) {
                out += text.substring(at, end);
                at = end + 1;
                return out;
            }
            out += text.substr(at, slash);
            at += slash;
            letter = text.charAt(at + 1);
            if (letter === "u") {
                if (!/^[0-9a-fA-F]{4}$/.test(text.substr(at + 2, 4))) { fail("odd escape"); }
                out += String.fromCharCode(parseInt(text.substr(at + 2, 4), 16));
                at += 6;
            } else {
                out += escapes.hasOwnProperty(letter) ? escapes[letter] : letter;
                at += 2;
            }
        }
    }

    function number() {
        var found = /^-?\d+(\.\d+)?([eE][+\-]?\d+)?/.exec(text.substr(at, 40));
        if (!found) { fail("no value"); }
        at += found[0].length;
        return Number(found[0]);
    }

    function list() {
        var out = [];
        at += 1;
        skip();
        if (text.charAt(at) === "]") { at += 1; return out; }
        while (true) {
            out.push(any());
            skip();
            if (text.charAt(at) === "]") { at += 1; return out; }
            if (text.charAt(at) !== ",") { fail("a list without an end"); }
            at += 1;
        }
    }

    function object() {
        var out = {}, key;
        at += 1;
        skip();
        if (text.charAt(at) === "}") { at += 1; return out; }
        while (true) {
            skip();
            if (text.charAt(at) !== "\"") { fail("no name"); }
            key = string();
            skip();
            if (text.charAt(at) !== ":") { fail("no colon"); }
            at += 1;
            out[key] = any();
            skip();
            if (text.charAt(at) === "}") { at += 1; return out; }
            if (text.charAt(at) !== ",") { fail("an object without an end"); }
            at += 1;
        }
    }

    function any() {
        var letter, out;
        skip();
        letter = text.charAt(at);
        depth += 1;
        if (depth > 64) { fail("too deep"); }
        if (letter === "{") { out = object(); }
        else if (letter === "[") { out = list(); }
        else if (letter === "\"") { out = string(); }
        else if (letter === "t") { out = word("true", true); }
        else if (letter === "f") { out = word("false", false); }
        else if (letter === "n") { out = word("null", null); }
        else { out = number(); }
        depth -= 1;
        return out;
    }

    value = any();
    skip();
    if (at < text.length) { fail("more than one value"); }
    return value;
};

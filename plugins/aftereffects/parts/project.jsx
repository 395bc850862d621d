// What the open project says: its queued items, the files that they need, and what is missing. Changes nothing.

PF.project = {};

PF.project.IMAGE = /\.(png|jpe?g|exr|tiff?|tga|dpx|cin|psd|psb|bmp|gif|hdr|iff|sgi|rla|rpf|ai|eps|pdf|webp)$/i;

// {path, name, version, isDirty}, and lists: items, files, missing, fonts, and in words faults and unread items; the
// path is empty when the project was never saved.
PF.project.read = function () {
    var project = app.project, said = {
        path: "", name: "", version: PF.project.major(), isDirty: false,
        items: [], files: [], missing: [], fonts: [], faults: [], unread: []
    };
    if (!project) { return said; }
    if (project.file) {
        said.path = project.file.fsName;
        said.name = PF.text.base(said.path).replace(/\.aepx?$/i, "");
    }
    // Versions that do not say whether there are changes may have some: what is not saved is not rendered.
    said.isDirty = project["dirty"] !== false;
    PF.project.readQueue(project, said);
    PF.project.readFootage(said);
    PF.project.readFonts(project, said);
    return said;
};

PF.project.major = function () {
    var found = /^\d+/.exec(String(app.version));
    return found ? found[0] : "";
};

PF.project.readQueue = function (project, said) {
    var i, item;
    for (i = 1; i <= project.renderQueue.numItems; i += 1) {
        item = project.renderQueue.item(i);
        if (item.status === RQItemStatus.QUEUED) {
            try {
                said.items.push(PF.project.readItem(project, item, i));
            } catch (fault) {
                said.unread.push("Item " + i + " of the render queue cannot be read and would be left out: " + fault);
            }
        }
    }
};

PF.project.readItem = function (project, item, index) {
    var comp = item.comp, rate = comp.frameRate, first, count, out, name, run;
    first = Math.round((item.timeSpanStart + comp.displayStartTime) * rate);
    if (project.framesCountType === FramesCountType.FC_START_1) { first += 1; }
    count = Math.max(1, Math.round(item.timeSpanDuration * rate));
    out = item.numOutputModules > 0 ? item.outputModule(1).file : null;
    name = PF.project.filled(out ? PF.text.base(out.fsName) : "", comp);
    run = /\[(#+)\]/.exec(name);
    return {
        index: index,
        comp: comp,
        name: comp.name,
        first: first,
        last: first + count - 1,
        spacing: item.skipFrames + 1,
        directory: out && out.parent ? out.parent.fsName : "",
        pattern: run ? name.replace(run[0], run[1]) : name,
        isMovie: name !== "" && run === null,
        outputs: item.numOutputModules
    };
};

// The words of an output name that After Effects may have left to be filled in; others stay, and are told.
PF.project.filled = function (name, comp) {
    var known = { compName: comp.name, width: comp.width, height: comp.height };
    return name.replace(/\[([A-Za-z]+)\]/g, function (whole, word) {
        return known.hasOwnProperty(word) ? String(known[word]) : whole;
    });
};

// Breadth first from each queued composition; a source that cannot be read is told and left out.
PF.project.readFootage = function (said) {
    var waiting = [], seen = {}, i, comp, layer;
    for (i = 0; i < said.items.length; i += 1) { waiting.push(said.items[i].comp); }
    while (waiting.length > 0) {
        comp = waiting.shift();
        if (!seen["comp " + comp.id]) {
            seen["comp " + comp.id] = true;
            for (i = 1; i <= comp.numLayers; i += 1) {
                layer = comp.layer(i);
                try {
                    if (layer.source) { PF.project.readSource(layer.source, waiting, seen, said); }
                } catch (fault) {
                    said.faults.push("Layer " + i + " of " + comp.name + " could not be read: " + fault);
                }
            }
        }
    }
};

PF.project.readSource = function (source, waiting, seen, said) {
    if (source instanceof CompItem) {
        waiting.push(source);
    } else if (source instanceof FootageItem && !seen["item " + source.id]) {
        seen["item " + source.id] = true;
        PF.project.readFiles(source.mainSource, source, said);
    }
    if (source.useProxy && source.proxySource && !seen["proxy " + source.id]) {
        seen["proxy " + source.id] = true;
        PF.project.readFiles(source.proxySource, source, said);
    }
};

PF.project.readFiles = function (from, item, said) {
    if (!(from instanceof FileSource)) { return; }
    if (item.footageMissing) {
        said.missing.push(item.name + " (" + (from.missingFootagePath || "?") + ")");
        return;
    }
    if (from.file) { PF.project.addFiles(from.file, from.isStill, said); }
};

// A still or a movie is one file; an image sequence is all files with its name around the number.
PF.project.addFiles = function (file, isStill, said) {
    var name = PF.text.base(file.fsName), run = /(\d+)(\D*)$/.exec(name), found, i, other, begin, end;
    var isImage = PF.project.IMAGE.test(name);
    if (isStill || !isImage || !run || !file.parent) {
        PF.project.addFile(file.fsName, said);
        return;
    }
    begin = name.substring(0, run.index);
    end = run[2];
    // Where the system can choose the files it is much faster than here; other letters it may spell its own way.
    found = file.parent.getFiles(/^[\w .\-]*$/.test(begin + end) ? begin + "*" + end : "*") || [];
    for (i = 0; i < found.length; i += 1) {
        other = PF.text.base(found[i].fsName);
        if (found[i] instanceof File && other.substr(0, begin.length) === begin &&
                other.substr(other.length - end.length) === end &&
                /^\d+$/.test(other.substring(begin.length, other.length - end.length))) {
            PF.project.addFile(found[i].fsName, said);
        }
    }
};

PF.project.addFile = function (path, said) {
    if (!said.known) { said.known = {}; }
    if (!said.known["file " + path]) {
        said.known["file " + path] = true;
        said.files.push(path);
    }
};

PF.project.readFonts = function (project, said) {
    var i, fonts;
    try {
        fonts = app["fonts"] ? app["fonts"].missingOrSubstitutedFonts : null;
        for (i = 0; fonts && i < fonts.length; i += 1) { said.fonts.push(fonts[i].postScriptName); }
    } catch (ignored) {
        said.faults.push("The project's fonts could not be checked in this version of After Effects.");
    }
};

// The other thread of `socket.cjs`: real TCP connections, whose bytes and ends it tells when asked.
"use strict";

const net = require("node:net");
const { parentPort, workerData } = require("node:worker_threads");

const told = new Int32Array(workerData.told);
const connections = new Map();

function answer(message) {
    workerData.port.postMessage(message);
    Atomics.add(told, 0, 1);
    Atomics.notify(told, 0);
}

function serve(connection) {
    const wanted = connection.wanted;
    if (wanted === null) { return; }
    const end = connection.text.indexOf("\n");
    if (end < 0 && !connection.isOver) { return; }
    clearTimeout(wanted.timer);
    connection.wanted = null;
    const line = end < 0 ? connection.text : connection.text.slice(0, end);
    connection.text = end < 0 ? "" : connection.text.slice(end + 1);
    answer({ line, isOver: connection.isOver && connection.text === "", isLate: false });
}

const deeds = {
    open({ id, host, port, encoding, limit }) {
        const socket = net.connect({ host, port });
        const connection = { socket, text: "", wanted: null, isOver: false };
        let isTold = false;
        const once = (isOpen) => {
            if (isTold) { return; }
            isTold = true;
            clearTimeout(timer);
            answer({ isOpen });
        };
        const timer = setTimeout(() => { socket.destroy(); once(false); }, limit);
        connections.set(id, connection);
        socket.setEncoding(encoding === "UTF-8" ? "utf8" : "latin1");
        socket.on("connect", () => once(true));
        socket.on("data", (text) => { connection.text += text; serve(connection); });
        socket.on("error", () => { connection.isOver = true; once(false); serve(connection); });
        socket.on("close", () => { connection.isOver = true; once(false); serve(connection); });
    },
    write({ id, text }) {
        const connection = connections.get(id);
        if (!connection || connection.isOver) { answer({ isWritten: false, isOver: true }); return; }
        connection.socket.write(text, () => undefined);
        answer({ isWritten: true, isOver: false });
    },
    read({ id, limit }) {
        const connection = connections.get(id);
        if (!connection) { answer({ line: "", isOver: true, isLate: false }); return; }
        const timer = setTimeout(() => {
            connection.wanted = null;
            answer({ line: "", isOver: connection.isOver, isLate: true });
        }, limit);
        connection.wanted = { timer };
        serve(connection);
    },
    close({ id }) {
        const connection = connections.get(id);
        connections.delete(id);
        if (connection) { connection.socket.destroy(); }
        answer({});
    },
};

parentPort.on("message", (message) => deeds[message.deed](message));

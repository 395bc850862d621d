// ExtendScript's Socket over real TCP: every call waits for its end, as in After Effects. It counts what a panel asks
// for and adds up how long it made After Effects wait in vain.
"use strict";

const path = require("node:path");
const { MessageChannel, Worker, receiveMessageOnPort } = require("node:worker_threads");

const LONGEST_MS = 60000;

/** {Socket, counts, close}. `hasty` shortens the waits for what never comes; the counts tell them in full. */
function sockets(hasty) {
    const told = new Int32Array(new SharedArrayBuffer(4));
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(path.join(__dirname, "socket_worker.cjs"), {
        workerData: { told: told.buffer, port: port2 },
        transferList: [port2],
    });
    worker.unref();
    const counts = { opened: 0, requests: 0, waited_s: 0 };
    let next = 1;

    // A message may arrive a moment after the word that it was sent.
    function ask(message) {
        const until = Date.now() + LONGEST_MS;
        worker.postMessage(message);
        while (Date.now() < until) {
            const before = Atomics.load(told, 0);
            const received = receiveMessageOnPort(port1);
            if (received) { return received.message; }
            Atomics.wait(told, 0, before, 20);
        }
        throw new Error("the socket's thread is stuck");
    }

    function Socket() {
        this.id = next;
        next += 1;
        this.timeout = 10;
        this.connected = false;
        this.eof = false;
    }
    Socket.prototype.open = function (address, encoding) {
        const [host, port] = String(address).split(":");
        counts.opened += 1;
        this.connected = ask({ deed: "open", id: this.id, host, port: Number(port), encoding, limit: this.timeout * 1000 / hasty }).isOpen;
        return this.connected;
    };
    Socket.prototype.writeln = function (text) {
        counts.requests += 1;
        const { isWritten, isOver } = ask({ deed: "write", id: this.id, text: `${text}\n` });
        if (isOver) { this.connected = false; }
        return isWritten;
    };
    Socket.prototype.readln = function () {
        if (!Number.isInteger(this.timeout) || this.timeout < 1) { throw new Error("the timeout is in whole seconds"); }
        const { line, isOver, isLate } = ask({ deed: "read", id: this.id, limit: this.timeout * 1000 / hasty });
        if (isLate) { counts.waited_s += this.timeout; }
        if (isOver) { this.connected = false; this.eof = true; }
        return line;
    };
    Socket.prototype.close = function () {
        ask({ deed: "close", id: this.id });
        this.connected = false;
        return true;
    };
    return { Socket, counts, close: () => worker.terminate() };
}

module.exports = { sockets };

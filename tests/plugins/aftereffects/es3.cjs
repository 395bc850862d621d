// A context with the language of ExtendScript, as far as a modern engine can be made to forget: what came after
// ECMAScript 3 is deleted, so that a panel that uses it fails here as it would fail in After Effects.
"use strict";

const vm = require("node:vm");

const FORGET = `
(function () {
    function only(object, kept) {
        var names = Object.getOwnPropertyNames(object), i;
        for (i = 0; i < names.length; i += 1) {
            if ((" " + kept + " ").indexOf(" " + names[i] + " ") < 0) { delete object[names[i]]; }
        }
    }
    only(Array.prototype, "constructor length concat join pop push reverse shift slice sort splice toString " +
        "toLocaleString unshift");
    only(Array, "length name prototype");
    only(String.prototype, "constructor length charAt charCodeAt concat indexOf lastIndexOf localeCompare match replace " +
        "search slice split substr substring toLowerCase toUpperCase toString valueOf");
    only(String, "length name prototype fromCharCode");
    only(Function.prototype, "constructor length name apply call toString");
    only(Number, "length name prototype MAX_VALUE MIN_VALUE NaN NEGATIVE_INFINITY POSITIVE_INFINITY");
    delete Date.now;
    delete Date.prototype.toISOString;
    delete Date.prototype.toJSON;
    only(globalThis, "Object Function Array String Boolean Number Date Math RegExp Error EvalError RangeError " +
        "ReferenceError SyntaxError TypeError URIError parseInt parseFloat isNaN isFinite escape unescape decodeURI " +
        "decodeURIComponent encodeURI encodeURIComponent undefined NaN Infinity eval");
    only(Math, "E LN10 LN2 LOG10E LOG2E PI SQRT1_2 SQRT2 abs acos asin atan atan2 ceil cos exp floor log max min pow " +
        "random round sin sqrt tan");
    only(Object, "length name prototype");
}());
`;

/** A context that knows ECMAScript 3 and what `globals` names. */
function forgetful(globals) {
    const context = vm.createContext({});
    vm.runInContext(FORGET, context);
    Object.assign(context, globals);
    return context;
}

/** Run a text in it; gives the value. */
function run(context, text, name) {
    return vm.runInContext(text, context, { filename: name });
}

module.exports = { forgetful, run };

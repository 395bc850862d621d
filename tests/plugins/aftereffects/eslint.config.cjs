// The panel must be ECMAScript 3, and must not rest on what ExtendScript gets wrong: it reads nested `a ? b : c` and
// mixed `&&` and `||` otherwise than the standard says.
"use strict";

const known = ["$", "app", "alert", "confirm", "system", "File", "Folder", "Socket", "Window", "Panel", "CompItem",
    "FootageItem", "FileSource", "ScriptUI", "PREFType", "RQItemStatus", "FramesCountType"];

module.exports = [{
    files: ["**/*.jsx"],
    languageOptions: {
        ecmaVersion: 3,
        sourceType: "script",
        globals: Object.fromEntries(known.map((name) => [name, "readonly"])),
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
        "block-scoped-var": "off",
        "comma-dangle": ["error", "never"],
        "consistent-return": "off",
        eqeqeq: "error",
        "guard-for-in": "error",
        "no-cond-assign": "error",
        "no-dupe-keys": "error",
        "no-eval": "error",
        "no-inner-declarations": "off",
        "no-mixed-operators": ["error", { groups: [["&&", "||"]] }],
        "no-nested-ternary": "error",
        "no-redeclare": "error",
        "no-shadow": "error",
        "no-undef": "error",
        "no-unreachable": "error",
        "no-unused-vars": ["error", { caughtErrors: "none" }],
        "no-use-before-define": ["error", { functions: false }],
        "quote-props": ["error", "as-needed", { keywords: false }],
        quotes: ["error", "double"],
        semi: ["error", "always"],
        "max-len": ["error", { code: 120 }],
        "no-restricted-properties": ["error",
            ...["forEach", "map", "filter", "some", "every", "reduce", "trim", "bind", "includes", "startsWith", "endsWith",
                "padStart", "repeat", "find"].map((property) => ({ property, message: "ECMAScript 3 has none." })),
            ...["keys", "create", "assign", "entries", "defineProperty"].map((property) => (
                { object: "Object", property, message: "ECMAScript 3 has none." })),
            { object: "Array", property: "isArray", message: "ECMAScript 3 has none." },
            { object: "Date", property: "now", message: "ECMAScript 3 has none." }],
    },
}];

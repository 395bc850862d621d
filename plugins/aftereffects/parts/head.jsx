// peerfarm's panel for After Effects 2020 to 2026. Assembled from parts/ by assemble.py: change it there.
// ExtendScript is ECMAScript 3: no const, let, JSON, forEach, trim; collections count from 1.

(function (root) {

var PF = { VERSION: "@VERSION@" };

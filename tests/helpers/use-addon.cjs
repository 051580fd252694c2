/** Loads the addon of PUNIE_TEST_ADDON wherever the usual one is asked for, in this process and its threads. */
const path = require("node:path");

const usual = path.join(__dirname, "..", "..", "build", "native", "punie.node");
const wanted = process.env.PUNIE_TEST_ADDON;
const { dlopen } = process;

process.dlopen = function load(module, file, ...rest) {
  return dlopen.call(this, module, file === usual ? wanted : file, ...rest);
};

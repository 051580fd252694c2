/** `node convert.mjs JSON`: converts `source` to `output` with the options of `convertModel`, which the command line has not all. */
import { convertModel } from "../../dist/convert/convert-model.js";
import { loadBinding } from "../../dist/native/binding.js";

const { source, output, ...options } = JSON.parse(process.argv[2]);
await convertModel(loadBinding(), source, output, options);

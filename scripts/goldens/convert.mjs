/** `node convert.mjs JSON`: converts `source` to `output` with any option of `convertModel`, also those no command has. */
import { convertModel } from "../../dist/convert/convert-model.js";
import { loadBinding } from "../../dist/native/binding.js";

const { source, output, ...options } = JSON.parse(process.argv[2]);
await convertModel(loadBinding(), source, output, options);

/** Gives the layers of a model what an adapter adds to them. */
import { open } from "node:fs/promises";
import { PunieError } from "../errors.js";
import { type AdapterDirectory, type AdapterLayer, readAdapter } from "../models/adapter.js";
import type { SafetensorsTensor } from "../models/safetensors-header.js";
import type { FloatDtype, NativeRowsAdapter } from "../native/binding-types.js";
import { columnsOf, isFloat, type ModelTensor, mismatch, rowsOf } from "./model-tensor.js";

/** What `NativeRows.adapter` takes, but for the row that a chunk begins at. */
export type LayerChange = Omit<NativeRowsAdapter, "firstRow">;

/**
 * @param directory An adapter as mlx-lm or PEFT writes it, LoRA or DoRA.
 * @throws PunieError what `readAdapter` throws; `WEIGHTS_MISMATCH` for layers that the model hasn't, or of another
 * shape.
 */
export async function fuseAdapter(tensors: readonly ModelTensor[], directory: string): Promise<ModelTensor[]> {
  const adapter = await readAdapter(directory);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const unknown = adapter.layers.filter(({ path }) => !byName.has(`${path}.weight`)).map(({ path }) => path);
  if (unknown.length > 0) throw mismatch(directory, "the model has no such layers", unknown);
  const changes = await readChanges(adapter);
  const odd = adapter.layers.filter((layer) => !fits(layer, byName.get(`${layer.path}.weight`), adapter));
  if (odd.length > 0) {
    throw mismatch(
      directory,
      "the model has other inputs or outputs for",
      odd.map(({ path }) => path),
    );
  }
  return tensors.map((tensor) => {
    const change = changes.get(tensor.name);
    return change ? { ...tensor, change } : tensor;
  });
}

function fits({ a, b, magnitude }: AdapterLayer, tensor: ModelTensor | undefined, adapter: AdapterDirectory): boolean {
  const { shape = [] } = tensor ?? {};
  if (shape.length === 3) {
    const [experts, outputs, inputs] = shape;
    const same = a.shape[0] === experts && b.shape[0] === experts && a.shape[2] === inputs && b.shape[1] === outputs;
    return same && a.shape[1] === b.shape[2] && magnitude === undefined;
  }
  const [inputs, outputs] = adapter.format === "peft" ? [a.shape[1], b.shape[0]] : [a.shape[0], b.shape[1]];
  return a.shape.length === 2 && shape.length === 2 && columnsOf(shape) === inputs && rowsOf(shape) === outputs;
}

/** By the name of the tensor that is changed. An adapter is small: all of it is read. */
async function readChanges({ file, format, layers }: AdapterDirectory): Promise<Map<string, LayerChange>> {
  const handle = await open(file.path, "r");
  const read = async ({ name, offset, bytes }: SafetensorsTensor) => {
    const data = new Uint8Array(bytes);
    const { bytesRead } = await handle.read(data, 0, bytes, offset);
    if (bytesRead !== bytes) throw new PunieError("MODEL_CORRUPT", `${file.path}: cut short within '${name}'.`);
    return data;
  };
  const typeOf = ({ name, dtype }: SafetensorsTensor): FloatDtype => {
    if (isFloat(dtype)) return dtype;
    throw new PunieError("MODEL_UNSUPPORTED", `${file.path}: '${name}' is ${dtype}; expected F32, F16 or BF16.`);
  };
  try {
    const changes = new Map<string, LayerChange>();
    for (const { path, rank, scale, a, b, magnitude } of layers) {
      const ofExperts = a.shape.length === 3;
      const outputs = ofExperts || format === "peft" ? b.shape.at(-2) : b.shape[1];
      changes.set(`${path}.weight`, {
        a: await read(a),
        aDtype: typeOf(a),
        b: await read(b),
        bDtype: typeOf(b),
        ...(magnitude && { magnitude: await read(magnitude), magnitudeDtype: typeOf(magnitude) }),
        rank,
        outputs: outputs ?? 0,
        scale,
        transposed: ofExperts || format === "peft",
        ...(ofExperts && { experts: a.shape[0] ?? 0 }),
      });
    }
    return changes;
  } finally {
    await handle.close();
  }
}

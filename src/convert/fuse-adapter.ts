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
 * shape; `MODEL_UNSUPPORTED` for layers of experts.
 */
export async function fuseAdapter(tensors: readonly ModelTensor[], directory: string): Promise<ModelTensor[]> {
  const adapter = await readAdapter(directory);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const unknown = adapter.layers.filter(({ path }) => !byName.has(`${path}.weight`)).map(({ path }) => path);
  if (unknown.length > 0) throw mismatch(directory, "the model has no such layers", unknown);
  const ofExperts = adapter.layers.filter(({ path }) => byName.get(`${path}.weight`)?.shape.length === 3);
  if (ofExperts.length > 0) {
    const { message } = mismatch(
      directory,
      "layers of experts can't be fused yet; load the adapter beside the model with --adapter",
      ofExperts.map(({ path }) => path),
    );
    throw new PunieError("MODEL_UNSUPPORTED", message);
  }
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

function fits({ a, b }: AdapterLayer, tensor: ModelTensor | undefined, { format }: AdapterDirectory): boolean {
  const [inputs, outputs] = format === "peft" ? [a.shape[1], b.shape[0]] : [a.shape[0], b.shape[1]];
  return tensor?.shape.length === 2 && columnsOf(tensor.shape) === inputs && rowsOf(tensor.shape) === outputs;
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
      changes.set(`${path}.weight`, {
        a: await read(a),
        aDtype: typeOf(a),
        b: await read(b),
        bDtype: typeOf(b),
        ...(magnitude && { magnitude: await read(magnitude), magnitudeDtype: typeOf(magnitude) }),
        rank,
        outputs: (format === "peft" ? b.shape[0] : b.shape[1]) ?? 0,
        scale,
        transposed: format === "peft",
      });
    }
    return changes;
  } finally {
    await handle.close();
  }
}

/** Random adapters from a seed: the same tensors, bit for bit, as scripts/goldens/adapters.py writes. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type RandomModelSpec, tensorsOf } from "./random-model.js";
import { type RawTensor, writeSafetensors } from "./random-model-file.js";

export interface RandomAdapterSpec extends Pick<RandomModelSpec, "seed" | "dtype" | "plan"> {
  file: string;
  /** adapter_config.json. */
  config: Record<string, unknown>;
}

/** Every tensor of the adapter that `spec` describes. */
export function adapterTensors({ seed, dtype, plan }: RandomAdapterSpec): RawTensor[] {
  return tensorsOf({ name: "", seed, dtype, plan, config: {} });
}

/** Writes the adapter into `directory`, which is made; other tensors or another configuration, if given. */
export async function writeRandomAdapter(
  spec: RandomAdapterSpec,
  directory: string,
  { tensors = adapterTensors(spec), config = spec.config as unknown } = {},
): Promise<string> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "adapter_config.json"), JSON.stringify(config));
  await writeSafetensors(join(directory, spec.file), tensors, 5);
  return directory;
}

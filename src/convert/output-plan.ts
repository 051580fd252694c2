/** What a conversion writes: which tensors, in which shard, and config.json's table of quantizations. */
import { PunieError } from "../errors.js";
import type { FloatDtype, GgmlTypeName, Quantization } from "../native/binding-types.js";
import { CARRIED_BITS } from "./gguf/ggml-types.js";
import { columnsOf, type ModelTensor, moduleOf, rowsOf } from "./model-tensor.js";
import { isQuantizable, type ModuleQuantization, type QuantizationChoice } from "./quantization-choice.js";
import { type TensorToWrite, tensorBytes } from "./safetensors-writer.js";
import { isBareParameter } from "./tensor-order.js";

/** What becomes of one tensor. */
export interface TensorPlan {
  tensor: ModelTensor;
  cast: FloatDtype;
  /** Quantized anew. */
  quantize?: Quantization;
  /** Packed rows that stay as they are, but for the type of affine scales and biases. */
  kept?: Quantization;
  /** GGUF's blocks that become affine groups. */
  carried?: GgmlTypeName;
  /** One tensor, or the weight, scales and, for affine, biases of a quantized one. */
  outputs: TensorToWrite[];
}

export interface OutputPlan {
  tensors: TensorPlan[];
  /** A module's scales may lie in another shard than its weight. */
  shards: TensorToWrite[][];
  /** config.json's `quantization`, or undefined. */
  table: Record<string, unknown> | undefined;
  /** What modules without a row of their own have. */
  defaults: Quantization | undefined;
  totalBytes: number;
  /** As mlx-lm counts them: of quantized layers the weights before packing, and their bias. */
  totalParameters: number;
}

/** 5 GiB, as mlx-lm has it. */
export const SHARD_BYTES = 5 * 2 ** 30;

export interface PlanOptions {
  choice: QuantizationChoice | undefined;
  /** The table that goes with packed weights, which stay as they are without a choice. */
  table: Record<string, unknown> | undefined;
  /** Undefined: the tensor keeps its own type. */
  cast: (tensor: ModelTensor, quantized: boolean) => FloatDtype | undefined;
  shardBytes: number;
  place: string;
}

export function planOutput(tensors: readonly ModelTensor[], options: PlanOptions): OutputPlan {
  const rows: Record<string, unknown> = {};
  const plans = tensors.map((tensor) => planTensor(tensor, options, rows));
  const outputs = plans.flatMap((plan) => plan.outputs);
  return {
    tensors: plans,
    shards: intoShards(outputs, options.shardBytes),
    ...tableOf(plans, rows, options),
    totalBytes: outputs.reduce((sum, tensor) => sum + tensorBytes(tensor), 0),
    totalParameters: tensors.reduce((sum, tensor) => sum + parametersOf(tensor), 0),
  };
}

function planTensor(tensor: ModelTensor, options: PlanOptions, rows: Record<string, unknown>): TensorPlan {
  const { name, encoding, shape } = tensor;
  const path = moduleOf(name);
  const chosen = isQuantizable(tensor)
    ? (options.choice?.of(path, columnsOf(shape)) ?? asBefore(tensor, options))
    : undefined;
  const cast = options.cast(tensor, chosen !== undefined) ?? encoding.dtype;
  if (chosen) {
    if (columnsOf(shape) % chosen.quantization.groupSize !== 0) {
      const { groupSize } = chosen.quantization;
      throw new PunieError(
        "MODEL_UNSUPPORTED",
        `${options.place}: '${path}' has rows of ${columnsOf(shape)}, which groups of ${groupSize} can't divide.`,
      );
    }
    if (chosen.row) rows[path] = chosen.row;
    return {
      tensor,
      cast,
      quantize: chosen.quantization,
      outputs: packedOutputs(tensor, chosen.quantization, cast),
    };
  }
  if (encoding.kind === "packed" && !options.choice) {
    return { tensor, cast, kept: encoding.quantization, outputs: packedOutputs(tensor, encoding.quantization, cast) };
  }
  if (encoding.kind === "ggml" && !options.choice) {
    return { tensor, cast, carried: encoding.type, outputs: packedOutputs(tensor, carriedMode(encoding.type), "F16") };
  }
  return { tensor, cast, outputs: [{ name, dtype: cast, shape }] };
}

/** A layer that an adapter changes is unpacked for that, and packed again as it was. */
function asBefore({ change, encoding }: ModelTensor, { choice }: PlanOptions): ModuleQuantization | undefined {
  if (choice || !change || encoding.kind === "float") return undefined;
  return { quantization: encoding.kind === "packed" ? encoding.quantization : carriedMode(encoding.type) };
}

function carriedMode(type: GgmlTypeName): Quantization {
  return { mode: "affine", bits: CARRIED_BITS[type], groupSize: 32 };
}

function tableOf(
  plans: readonly TensorPlan[],
  rows: Record<string, unknown>,
  { choice, table }: PlanOptions,
): Pick<OutputPlan, "table" | "defaults"> {
  if (choice) return { table: { ...tableRow(choice.defaults), ...rows }, defaults: choice.defaults };
  if (table) return { table, defaults: mostFrequent(plans.flatMap(({ kept }) => kept ?? [])) };
  const packed = plans.flatMap(({ tensor, carried, quantize }) => {
    const mode = carried ? carriedMode(carried) : quantize;
    return mode ? [{ module: moduleOf(tensor.name), mode }] : [];
  });
  const defaults = mostFrequent(packed.map(({ mode }) => mode));
  if (!defaults) return { table: undefined, defaults };
  const others = packed.flatMap(({ module, mode }) =>
    mode.bits === defaults.bits ? [] : [[module, tableRow(mode)] as const],
  );
  return { table: { ...tableRow(defaults), ...Object.fromEntries(others) }, defaults };
}

function mostFrequent(modes: readonly Quantization[]): Quantization | undefined {
  const counts = new Map<string, number>();
  for (const mode of modes) counts.set(JSON.stringify(mode), (counts.get(JSON.stringify(mode)) ?? 0) + 1);
  const [text] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? [];
  return text === undefined ? undefined : JSON.parse(text);
}

function packedOutputs({ name, shape }: ModelTensor, mode: Quantization, cast: FloatDtype): TensorToWrite[] {
  const path = moduleOf(name);
  const outer = shape.slice(0, -1);
  const columns = columnsOf(shape);
  const groups = [...outer, columns / mode.groupSize];
  const affine = mode.mode === "affine";
  const scalesDtype = affine ? cast : "U8";
  return [
    { name, dtype: "U32", shape: [...outer, (columns * mode.bits) / 32] },
    { name: `${path}.scales`, dtype: scalesDtype, shape: groups },
    ...(affine ? [{ name: `${path}.biases`, dtype: scalesDtype, shape: groups } as const] : []),
  ];
}

/** A row of config.json's table. */
export function tableRow({ mode, bits, groupSize }: Quantization): Record<string, unknown> {
  return { group_size: groupSize, bits, mode };
}

function parametersOf({ name, shape }: ModelTensor): number {
  return isBareParameter(name) ? 0 : rowsOf(shape) * columnsOf(shape);
}

/** A tensor that alone is larger than a shard gets one of its own. */
function intoShards(tensors: readonly TensorToWrite[], shardBytes: number): TensorToWrite[][] {
  const shards: TensorToWrite[][] = [];
  let size = 0;
  for (const tensor of tensors) {
    const bytes = tensorBytes(tensor);
    if (shards.length === 0 || size + bytes > shardBytes) {
      shards.push([]);
      size = 0;
    }
    shards.at(-1)?.push(tensor);
    size += bytes;
  }
  return shards;
}

import { createCipheriv, createHash } from "node:crypto";

/** Bytes that look random and are the same for the same name. */
export function noise(name: string, length: number): Buffer {
  const key = createHash("sha256").update(name).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** A safetensors file of these tensors: name to [dtype, shape, bytes]. */
export function safetensors(tensors: Record<string, { dtype: string; shape: number[]; bytes: Buffer }>): Buffer {
  const header: Record<string, object> = {};
  const bodies: Buffer[] = [];
  let offset = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    bodies.push(bytes);
    offset += bytes.length;
  }
  return safetensorsWith(header, Buffer.concat(bodies));
}

/** A safetensors file with this header, right or wrong. */
export function safetensorsWith(header: unknown, body: Buffer): Buffer {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, body]);
}

/** The files of a repository that looks like a model: what a download fetches, and some that it doesn't. */
export function modelFiles(weightBytes = 300_000): Record<string, Buffer> {
  return {
    ".gitattributes": Buffer.from("*.safetensors filter=lfs\n"),
    "README.md": Buffer.from("---\nlicense: mit\n---\n# A model\n"),
    "config.json": Buffer.from('{"model_type":"qwen2","quantization":{"bits":4,"group_size":64}}'),
    "model.safetensors": safetensors({
      "model.norm.weight": { dtype: "U8", shape: [weightBytes], bytes: noise("weights", weightBytes) },
    }),
    "tokenizer.json": Buffer.from('{"version":"1.0"}'),
    "pytorch_model.bin": noise("torch", 1000),
    "onnx/model.onnx": noise("onnx", 1000),
    "model.gguf": noise("gguf", 1000),
  };
}

/** Those of `modelFiles` that a download fetches by default. */
export const NEEDED_FILES = ["README.md", "config.json", "model.safetensors", "tokenizer.json"];

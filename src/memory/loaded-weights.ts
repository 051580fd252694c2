/** Weight files that models of this thread read: the system counts their contents as droppable, and they are not. */
import { statSync } from "node:fs";
import type { NativeModelSpec } from "../native/binding-types.js";

interface LoadedFile {
  bytes: number;
  users: number;
}

const files = new Map<string, LoadedFile>();

/** Counts the files in. @returns What counts them out, once. */
export function registerWeights(spec: NativeModelSpec): () => void {
  const keys = spec.files.map(keyOf);
  keys.forEach((key, index) => {
    const file = files.get(key) ?? { bytes: spec.files[index]?.bytes ?? 0, users: 0 };
    file.users++;
    files.set(key, file);
  });
  let registered = true;
  return () => {
    if (!registered) return;
    registered = false;
    for (const key of keys) {
      const file = files.get(key);
      if (file && --file.users === 0) files.delete(key);
    }
  };
}

/** Bytes of the files that are in use, but those of `spec`: these are shared, not read twice. */
export function loadedWeightBytes(spec?: NativeModelSpec): number {
  const own = new Set(spec?.files.map(keyOf));
  let bytes = 0;
  for (const [key, file] of files) if (!own.has(key)) bytes += file.bytes;
  return bytes;
}

/** The same file by whichever path. */
function keyOf({ path }: { path: string }): string {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return path;
  }
}

import { tellImport } from "./model-options.js";

/** The model directory that stands for a GGUF file; made, and told of, where this is the first look at it. */
export async function importedDirectory(
  file: string,
  { modelsDir, signal }: { modelsDir?: string | undefined; signal: AbortSignal },
): Promise<string> {
  const { importedGguf } = await import("../convert/gguf/imported-gguf.js");
  const { loadBinding } = await import("../native/binding.js");
  const tell = tellImport();
  return await importedGguf(loadBinding, file, {
    modelsDir,
    signal,
    onProgress: ({ writtenBytes, totalBytes }) => tell({ phase: "import", file, writtenBytes, totalBytes }),
  });
}

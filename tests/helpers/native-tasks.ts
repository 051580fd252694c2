/** Requests that end with their prompt, on the addon itself: for options that only tests have. */
import { type RunPromptTask, runPromptTask } from "../../src/api/prompt-task.js";
import { RequestRouter } from "../../src/api/request-router.js";
import { openModelDirectory } from "../../src/models/model-directory.js";
import { loadBinding } from "../../src/native/binding.js";
import type { NativeLoadOptions } from "../../src/native/binding-types.js";

/** Loads the directory for `use` alone. */
export async function withPromptTasks(
  directory: string,
  options: Partial<NativeLoadOptions>,
  use: (run: RunPromptTask) => Promise<void>,
): Promise<void> {
  const { spec } = await openModelDirectory(directory);
  const router = new RequestRouter();
  const native = await loadBinding().loadModel(spec, {
    device: "cpu",
    threads: 2,
    contextLength: 2048,
    prefillChunk: 128,
    onEvents: router.deliver,
    ...options,
  });
  try {
    await use((task) => runPromptTask(native, router, directory, task));
  } finally {
    await native.dispose();
  }
}

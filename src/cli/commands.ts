/** Every command: what the list of them needs, and the command itself, loaded when it is asked for. */
import type { Command } from "commander";

export interface CommandEntry {
  name: string;
  description: string;
  /** The command, without its description. */
  create: () => Promise<Command>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "download-model",
    description:
      "fetch a model from the Hugging Face Hub; run again after an interruption, it goes on where it stopped",
    create: async () => (await import("./commands/download-model.js")).downloadModelCommand(),
  },
  {
    name: "models",
    description: "list, show, verify and remove the models on this machine; check whether one would run",
    create: async () => (await import("./commands/models.js")).modelsCommand(),
  },
  {
    name: "generate",
    description: "generate one answer, streamed to stdout",
    create: async () => (await import("./commands/generate.js")).generateCommand(),
  },
  {
    name: "chat",
    description: "talk with a model; /help lists what else a line can do",
    create: async () => (await import("./commands/chat.js")).chatCommand(),
  },
  {
    name: "serve",
    description: "serve a model over HTTP, for OpenAI's clients",
    create: async () => (await import("./commands/serve.js")).serveCommand(),
  },
  {
    name: "benchmark",
    description: "measure tokens/s for prompt and answer",
    create: async () => (await import("./commands/benchmark.js")).benchmarkCommand(),
  },
  {
    name: "embed",
    description: "turn texts into vectors of unit length, as JSON",
    create: async () => (await import("./commands/embed.js")).embedCommand(),
  },
  {
    name: "rerank",
    description: "say how relevant documents are to a query, as JSON",
    create: async () => (await import("./commands/rerank.js")).rerankCommand(),
  },
  {
    name: "perplexity",
    description: "measure how well a model foretells a text",
    create: async () => (await import("./commands/perplexity.js")).perplexityCommand(),
  },
  {
    name: "convert",
    description: "make an MLX model directory of a Hugging Face one or a GGUF file, quantized if you like",
    create: async () => (await import("./commands/convert.js")).convertCommand(),
  },
  {
    name: "doctor",
    description: "check this machine: Node, MLX, memory, models, the Hub; says what to do about each problem",
    create: async () => (await import("./commands/doctor.js")).doctorCommand(),
  },
  {
    name: "completion",
    description: "print the completion script of a shell",
    create: async () => (await import("./commands/completion.js")).completionCommand(),
  },
];

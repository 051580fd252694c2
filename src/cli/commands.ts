/** Every command, by name, loaded when it is needed. */
import type { Command } from "commander";

export interface CommandEntry {
  name: string;
  create: () => Promise<Command>;
}

export const COMMANDS: readonly CommandEntry[] = [
  { name: "download-model", create: async () => (await import("./commands/download-model.js")).downloadModelCommand() },
  { name: "models", create: async () => (await import("./commands/models.js")).modelsCommand() },
  { name: "generate", create: async () => (await import("./commands/generate.js")).generateCommand() },
  { name: "chat", create: async () => (await import("./commands/chat.js")).chatCommand() },
  { name: "serve", create: async () => (await import("./commands/serve.js")).serveCommand() },
  { name: "benchmark", create: async () => (await import("./commands/benchmark.js")).benchmarkCommand() },
  { name: "doctor", create: async () => (await import("./commands/doctor.js")).doctorCommand() },
];

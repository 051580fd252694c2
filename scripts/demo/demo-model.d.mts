export function demoModel(options: {
  signal: AbortSignal;
  say: (line: string) => void;
}): Promise<{ name: string; path: string; prompt: string }>;

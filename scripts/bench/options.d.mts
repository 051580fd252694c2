export const MEASURES: string[];
export const SHAPES: string[];
export const USAGE: string;
export interface BenchOptions {
  help: boolean;
  model: string | undefined;
  gguf: string | undefined;
  dir: string;
  llama: string | undefined;
  python: string | undefined;
  models: string;
  install: boolean;
  shapes: string[];
  only: string[];
  rounds: number;
  threads: number | undefined;
  promptTokens: number;
  generateTokens: number;
  batch: number;
  context: number;
  longContext: number;
  variant: string | undefined;
  kernels: string | undefined;
  wrap: string[];
  json: boolean;
}
export function parseOptions(args: string[]): BenchOptions;

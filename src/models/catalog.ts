/** The model that `local` means: what a command uses when neither a flag nor PUNIE_MODEL names one. */
export const DEFAULT_MODEL = "mlx-community/Qwen2.5-Coder-7B-Instruct-4bit";

export interface CatalogModel {
  /** Repository name, `ORG/NAME`. */
  name: string;
  /** Download size as people say it; the exact one is the Hub's to tell (`download-model NAME --dry-run`). */
  size: string;
  description: string;
}

/** Models worth having, best first choice first: what `download-model --list` shows. */
export const CATALOG: readonly CatalogModel[] = [
  { name: DEFAULT_MODEL, size: "~4GB", description: "default, best balance" },
  { name: "mlx-community/Qwen2.5-Coder-3B-Instruct-4bit", size: "~2GB", description: "faster" },
  { name: "mlx-community/Qwen2.5-Coder-14B-Instruct-4bit", size: "~8GB", description: "best quality" },
  {
    name: "mlx-community/Qwen3-Coder-30B-A3B-Instruct-4bit",
    size: "~17GB",
    description: "most reliable tool calls",
  },
];

/** Where a source comes from, as far as the disk tells, and the model card that says so. */
import { basename, dirname, join } from "node:path";
import { readTextFile } from "../models/json-file.js";
import { readManifest } from "../models/manifest.js";
import { repositoryOfDirectory } from "../models/model-name.js";

export interface Provenance {
  /** `ORG/NAME`, or the name of a directory or file. */
  base: string;
  /** Undefined for what was not downloaded. */
  commit: string | undefined;
  /** True when `base` is a repository of the Hub. */
  isRepository: boolean;
  /** Lines of the source's own card that say under what licence it is. */
  licence: string[];
}

const MAX_CARD_BYTES = 4 * 1024 * 1024;
const CACHE_PREFIX = "models--";

export async function readProvenance(directory: string): Promise<Provenance> {
  const licence = licenceLines((await readTextFile(join(directory, "README.md"), MAX_CARD_BYTES)) ?? "");
  const manifest = await readManifest(directory);
  if (manifest) return { base: manifest.repo, commit: manifest.commit, isRepository: true, licence };
  // The Hugging Face cache: models--ORG--NAME/snapshots/COMMIT.
  const [commit, snapshots, cached] = [directory, dirname(directory), dirname(dirname(directory))].map((path) =>
    basename(path),
  ) as [string, string, string];
  const repository =
    snapshots === "snapshots" && cached.startsWith(CACHE_PREFIX)
      ? repositoryOfDirectory(cached.slice(CACHE_PREFIX.length))
      : undefined;
  if (repository) return { base: repository, commit, isRepository: true, licence };
  return { base: basename(directory), commit: undefined, isRepository: false, licence };
}

/** Of the YAML at the start of a card, the keys of one line that name the licence. */
function licenceLines(card: string): string[] {
  const front = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---\r?\n/.exec(card)?.[1] ?? "";
  return front.split(/\r?\n/).filter((line) => /^license(_name|_link)?: *[^\s>|&*!{[][^\n]{0,200}$/.test(line));
}

export interface CardFacts extends Provenance {
  /** Such as "4-bit affine in groups of 64". */
  weights: string;
  bitsPerWeight: number;
  /** Further lines, such as what was lost. */
  notes: readonly string[];
}

/** README.md. */
export function modelCard({ base, commit, isRepository, licence, weights, bitsPerWeight, notes }: CardFacts): string {
  const front = [
    "library_name: mlx",
    "pipeline_tag: text-generation",
    ...licence,
    ...(isRepository ? [`base_model: ${base}`] : []),
    "tags:",
    "- mlx",
  ];
  const facts = [
    `- Base: ${isRepository ? `[${base}](https://huggingface.co/${base})` : base}`,
    `- Commit: ${commit ?? "unknown: the base was not downloaded with punie or into the Hugging Face cache"}`,
    `- Weights: ${weights}`,
    `- Bits per weight: ${bitsPerWeight.toFixed(3)}`,
    ...notes.map((note) => `- ${note}`),
  ];
  return `---\n${front.join("\n")}\n---\n\nConverted to MLX format with \`punie convert\`.\n\n${facts.join("\n")}\n`;
}

type Kind = "GLIBC" | "GLIBCXX" | "CXXABI";
export const BASELINE: Record<Kind, number[]>;
export function examineElf(
  directory: string,
  baseline?: Record<Kind, number[]>,
): { newest: Record<Kind, string>; problems: string[] };
export function missingSymbols(files: { addon: string; library: string; other: string }): string[];

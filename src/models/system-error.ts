/** The operating system's name for an error (`ENOENT`, `EACCES`, …), or undefined when it has none. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}

/** Of a path that leads nowhere: it or a parent isn't there, or it has links in a circle, or a name that none can have. */
const ABSENT = ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"];

export function isAbsent(error: unknown): boolean {
  return ABSENT.includes(errorCode(error) ?? "");
}

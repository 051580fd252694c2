import { basename } from "node:path";

/** What names a loaded model: `info` of `punie`'s `Model`, and what resolving it gives. */
export interface NamedModel {
  /** `ORG/NAME`, or the path as it was given. */
  name: string;
  /** The model's directory, absolute. */
  path: string;
}

/** Names that requests may give: the first, which is listed, is a directory's own name, not where it lies. */
export function modelNames({ name, path }: NamedModel): [string, ...string[]] {
  return /^[./~]/.test(name) ? [basename(path), name, path] : [name];
}

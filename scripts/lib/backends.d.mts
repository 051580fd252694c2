export interface Backend {
  platform: string;
  arch: string;
  backend: string;
  isDefault: boolean;
}
export const BACKENDS: Backend[];
export function prebuildName(backend: Backend): string;
export function packageName(backend: Backend): string;
export function backendHere(name?: string, machine?: { platform: string; arch: string }): Backend;
export function wheelOf(backend: Backend, release: string): { project: string; platform: string; sha256: string };

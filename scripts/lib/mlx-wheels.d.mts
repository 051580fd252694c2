export const MLX_VERSION: string;
export function mlxWheel(host: { platform: string; arch: string; release: string }): {
  project: string;
  version: string;
  platform: string;
  sha256: string;
};

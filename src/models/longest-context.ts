import type { NativeModelConfig } from "../native/binding-types.js";

/**
 * Positions that a model can take: those of config.json, or with a rotary scaling that stretches them (yarn from its
 * original length, dynamic from the trained one) as many times more.
 */
export function longestContext(config: NativeModelConfig): number {
  const { maxPositionEmbeddings: trained, ropeScaling: scaling } = config;
  switch (scaling?.type) {
    case "yarn":
      return Math.max(trained, Math.floor(scaling.factor * (scaling.originalMaxPositionEmbeddings ?? 0)));
    case "dynamic":
      return Math.max(trained, Math.floor(scaling.factor * trained));
    default:
      return trained;
  }
}

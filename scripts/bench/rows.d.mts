import type { Spread } from "./statistics.mjs";

export interface Aim {
  atLeast?: number;
  atMost?: number;
}
export interface Row {
  model: string;
  measure: string;
  unit: string;
  sides: Record<string, Spread>;
  ratio?: number;
  against?: string;
  aim?: Aim;
  met?: boolean;
}
export interface RowModel {
  name: string;
  weightFileBytes: number;
  bytesPerToken: number;
  config: { layers: number; attentionWidth: number };
}
export interface Measured {
  samples: Record<string, Record<string, Record<string, number[]>>>;
  growth: Record<string, [processed: number, ms: number][]>;
}
export const AIMS: Record<string, unknown>;
export function rowsOf(
  models: RowModel[],
  measured: Measured,
  options: { promptTokens: number; batch: number; context: number },
): Row[];
export function meets(ratio: number, aim: Aim): boolean;
export function bandwidths(measured: Pick<Measured, "samples">): Record<string, Spread>;

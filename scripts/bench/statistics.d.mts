export interface Spread {
  median: number;
  min: number;
  max: number;
  runs: number;
}
export interface Point {
  position: number;
  msPerToken: number;
}
export function spread(values: number[]): Spread;
export function msPerTokenAt(progress: [processed: number, ms: number][], positions: number[]): Point[];
export function growth(points: Point[]): { earlier: number; later: number; growth: number };

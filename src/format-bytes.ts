/** Bytes for people: files in the decimal units of disks and of the Hub, memory in the binary ones that it is built in. */

const DECIMAL = ["kB", "MB", "GB", "TB", "PB"];
const BINARY = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/** Of files, and what goes through a network: `999 B`, `1.2 kB`, `4.3 GB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  let value = bytes / 1000;
  let unit = 0;
  // Not 1000: 999.95 would be written as 1000.0.
  while (value >= 999.95 && unit < DECIMAL.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(1)} ${DECIMAL[unit]}`;
}

/** Of memory: `700 MiB`, `4.3 GiB`. */
export function formatMemory(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BINARY.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${BINARY[unit]}`;
}

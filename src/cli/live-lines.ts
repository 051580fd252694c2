/** A terminal, or what stands for one in a test. */
export interface LiveTerminal {
  write(text: string): unknown;
  /** 0 or absent where the size isn't known. */
  columns?: number;
  rows?: number;
  on(event: "resize", listener: () => void): unknown;
  off(event: "resize", listener: () => void): unknown;
}

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;
const DRAW_MS = 125;

/**
 * Lines at the end of a terminal that are drawn again and again, and others that are printed above them. Follows a change
 * of the terminal's size, on which terminals break lines that became too long.
 */
export class LiveLines {
  readonly #terminal: LiveTerminal;
  readonly #render: (columns: number) => string[];
  readonly #timer: NodeJS.Timeout;
  readonly #onResize = () => this.draw();
  #drawn: string[] = [];
  #isStopped = false;

  /** @param render The lines, each of fewer characters than the terminal has columns. */
  constructor(terminal: LiveTerminal, render: (columns: number) => string[]) {
    this.#terminal = terminal;
    this.#render = render;
    this.#timer = setInterval(() => this.draw(), DRAW_MS);
    this.#timer.unref();
    terminal.on("resize", this.#onResize);
    this.draw();
  }

  /** A line that stays, above those that are drawn. */
  print(line: string): void {
    this.#write(asLine(line));
  }

  draw(): void {
    this.#write("");
  }

  /** Draws no more, and leaves `last` where the lines were. Idempotent. */
  stop(last: readonly string[]): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.#terminal.off("resize", this.#onResize);
    this.#terminal.write(this.#toTop() + last.map(asLine).join("") + CLEAR_BELOW);
  }

  get columns(): number {
    return this.#terminal.columns || DEFAULT_COLUMNS;
  }

  #write(above: string): void {
    if (this.#isStopped) return;
    // What scrolled out of sight can't be drawn again: the last row is the cursor's.
    const lines = this.#render(this.columns).slice(0, Math.max(1, (this.#terminal.rows || DEFAULT_ROWS) - 1));
    const toTop = this.#toTop();
    this.#drawn = lines;
    // At once and line over line, so that nothing flickers. What is left below is cleared last: from the first row of a
    // screen some terminals take that for clearing all, and keep a copy each time.
    this.#terminal.write(toTop + above + lines.map(asLine).join("") + CLEAR_BELOW);
  }

  /** Takes the cursor to where the lines begin. */
  #toTop(): string {
    const rows = this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / this.columns)), 0);
    return rows === 0 ? "" : `\r\u001b[${rows}A`;
  }
}

const CLEAR_BELOW = "\u001b[J";

function asLine(text: string): string {
  return `${text}\u001b[K\n`;
}

/** Python's `datetime.strftime` in the C locale, as far as chat templates use it. */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = "January February March April May June July August September October November December".split(" ");

/** Formats `date` in local time. A directive that isn't known stays as it stands. */
export function strftime(date: Date, format: string): string {
  const pad = (value: number, width = 2) => String(value).padStart(width, "0");
  const hour12 = date.getHours() % 12 || 12;
  const weekday = DAYS[date.getDay()] as string;
  const month = MONTHS[date.getMonth()] as string;
  // In UTC, so that a change to summer time doesn't shorten a day.
  const midnight = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  const dayOfYear = (midnight - Date.UTC(date.getFullYear(), 0, 0)) / 86_400_000;
  const values: Record<string, string> = {
    "%Y": String(date.getFullYear()),
    "%y": pad(date.getFullYear() % 100),
    "%m": pad(date.getMonth() + 1),
    "%-m": String(date.getMonth() + 1),
    "%B": month,
    "%b": month.slice(0, 3),
    "%d": pad(date.getDate()),
    "%-d": String(date.getDate()),
    "%e": String(date.getDate()).padStart(2, " "),
    "%j": pad(dayOfYear, 3),
    "%A": weekday,
    "%a": weekday.slice(0, 3),
    "%w": String(date.getDay()),
    "%H": pad(date.getHours()),
    "%I": pad(hour12),
    "%-I": String(hour12),
    "%M": pad(date.getMinutes()),
    "%S": pad(date.getSeconds()),
    "%p": date.getHours() < 12 ? "AM" : "PM",
    "%%": "%",
  };
  return format.replace(/%-?[A-Za-z%]/g, (directive) => values[directive] ?? directive);
}

/** What commands print on stdout: one JSON object on one line with --json, else a table or a few lines for people. */

export type Json = Record<string, unknown>;

export interface Output {
  json: boolean;
  /** One thing. */
  show(value: Json): void;
  /** A list, as `{data, has_more}`; people see the named columns. */
  list(page: { data: Json[]; has_more: boolean }, columns: string[]): void;
}

export function output(json: boolean): Output {
  if (json) {
    return {
      json,
      show: (value) => {
        printLine(value);
      },
      list: (page) => {
        printLine(page);
      },
    };
  }
  return {
    json,
    show: (value) => {
      for (const [key, entry] of Object.entries(value)) console.log(`${key.padEnd(20)} ${cell(entry)}`);
    },
    list: ({ data, has_more: hasMore }, columns) => {
      console.log(table(data, columns));
      if (hasMore) console.log(`more: --after ${cell(data.at(-1)?.["id"])}`);
    },
  };
}

/** One line of JSON, for machines. */
export function printLine(value: unknown): void {
  console.log(JSON.stringify(value));
}

function table(rows: Json[], columns: string[]): string {
  const cells = [
    columns.map((name) => name.toUpperCase()),
    ...rows.map((row) => columns.map((name) => cell(row[name]))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  return cells
    .map((line) =>
      line
        .map((text, index) => text.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return "-";
  return typeof value === "object" ? JSON.stringify(value) : String(value as string | number | boolean);
}

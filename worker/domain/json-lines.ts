/** JSON Lines as they stream past: an object a line, blank lines passed over. */
import { isRow, type Row } from "./dataset-rows";
import { LineSplitter } from "./line-splitter";
import { limitFault } from "./row-limits";
import { lineFault, textOf, withoutMark, type RowReader, type TakeRow } from "./row-reader";

/** An error repeats this much of what it complains about. */
const MAX_QUOTE_CHARS = 200;

export function jsonLines(takeRow: TakeRow): RowReader {
  return new LineSplitter((bytes, line) => {
    const text = textOf(line === 1 ? withoutMark(bytes) : bytes);
    if (text === undefined) throw lineFault(line, "is not valid UTF-8");
    if (!/\S/.test(text)) return;
    const row = parse(text, line);
    const beyond = limitFault(row);
    if (beyond !== null) throw lineFault(line, beyond);
    takeRow(row, line);
  });
}

function parse(text: string, line: number): Row {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // V8 counts lines within this one, which would name another line than we do.
    const why = error instanceof Error ? error.message.replace(/ \(line \d+ column \d+\)/, "") : "";
    throw lineFault(line, `is not valid JSON: ${why.slice(0, MAX_QUOTE_CHARS)}`);
  }
  if (isRow(value)) return value;
  const found = Array.isArray(value) ? "a list" : `${JSON.stringify(value).slice(0, MAX_QUOTE_CHARS)}`;
  throw lineFault(line, `is not a JSON object but ${found}; the file must have one object on each line`);
}

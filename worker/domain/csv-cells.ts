/**
 * The cells of one CSV record, as RFC 4180 has them: commas between them, and where a cell is quoted it may hold commas, line
 * breaks, and quotes written twice.
 */

/** The cells of a record without its line end, or what is wrong with it. */
export function csvCells(record: string): string[] | string {
  if (!record.includes('"')) return record.includes("\r") ? STRAY_RETURN : record.split(",");
  const cells: string[] = [];
  for (let at = 0; ;) {
    const end = record[at] === '"' ? quotedEnd(record, at) : plainEnd(record, at);
    if (end === null) return "begins a row with a quote that is never closed";
    const cell = record.slice(at, end);
    const wrong = faultAfter(record, at, end);
    if (wrong !== null) return wrong;
    cells.push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
    if (end === record.length) return cells;
    at = end + 1;
  }
}

const STRAY_RETURN = "has a carriage return in a cell that is not quoted (end lines with \\n or \\r\\n)";

/** Behind the closing quote; null: there is none. */
function quotedEnd(record: string, opening: number): number | null {
  let quote = record.indexOf('"', opening + 1);
  while (quote !== -1 && record[quote + 1] === '"') quote = record.indexOf('"', quote + 2);
  return quote === -1 ? null : quote + 1;
}

function plainEnd(record: string, at: number): number {
  const comma = record.indexOf(",", at);
  return comma === -1 ? record.length : comma;
}

function faultAfter(record: string, at: number, end: number): string | null {
  if (record[at] === '"') {
    const isClosed = end === record.length || record[end] === ",";
    return isClosed ? null : 'has a quoted cell with more behind its closing quote (write a quote inside as "")';
  }
  const cell = record.slice(at, end);
  if (cell.includes('"')) {
    return 'has a quote inside a cell that is not quoted (quote the cell, and write the quote as "")';
  }
  return cell.includes("\r") ? STRAY_RETURN : null;
}

/** Keyset paging, newest first: one row more than asked tells whether there is another page. */
import type { Page, PageRequest } from "../domain/ports";

export function pageLimit(page: PageRequest): number {
  return page.limit + 1;
}

export function toPage<T>(rows: T[], page: PageRequest): Page<T> {
  return { items: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}

/** A page of a list by what the store cannot tell its rows apart by, such as a status that follows from several records. */
import type { Page, PageRequest } from "../domain/ports";

/** Read at once, when most of them may be left out. */
const READ_AT_ONCE = 100;

export async function filteredPage<T>(
  wanted: PageRequest,
  read: (page: PageRequest) => Promise<Page<T>>,
  options: { keep: (item: T) => boolean; idOf: (item: T) => string },
): Promise<Page<T>> {
  const items: T[] = [];
  let after = wanted.after;
  for (;;) {
    const page = await read({ limit: READ_AT_ONCE, ...(after === undefined ? {} : { after }) });
    items.push(...page.items.filter(options.keep));
    if (items.length > wanted.limit) return { items: items.slice(0, wanted.limit), hasMore: true };
    const last = page.items.at(-1);
    if (!page.hasMore || last === undefined) return { items, hasMore: false };
    after = options.idOf(last);
  }
}

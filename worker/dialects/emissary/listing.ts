/** Lists are bare arrays here, newest first; where there is more, the Link header has its address. */
import type { Page } from "../../domain/ports";

export function listAnswer<T extends { id: string }>(
  call: { origin: string; request: Request; query: { limit: number } },
  page: Page<T>,
  prefix: string,
  items: object[],
): Response {
  const last = page.items.at(-1);
  const headers: Record<string, string> = {};
  if (page.hasMore && last) {
    const { pathname, searchParams } = new URL(call.request.url);
    searchParams.set("limit", String(call.query.limit));
    searchParams.set("after", prefix + last.id);
    headers["link"] = `<${call.origin}${pathname}?${searchParams.toString()}>; rel="next"`;
  }
  return Response.json(items, { headers });
}

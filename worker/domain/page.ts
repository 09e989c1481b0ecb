/** Pages of lists, newest first, by keys and not by offsets. */

/** One page of a list, newest first. `after` is the id of the last item of the page before. */
export interface PageRequest {
  limit: number;
  after?: string;
}
export interface Page<T> {
  items: T[];
  hasMore: boolean;
}

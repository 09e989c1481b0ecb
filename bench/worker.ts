/** The deployed worker as it is, and beside it the bare routes that it is compared with. Never deployed. */
import worker from "../worker/index";
import { bareRoutes } from "./bare-routes";

// The classes of its objects.
export * from "../worker/index";

/** The worker's own bindings, among which the bare routes find theirs. */
type Message = Parameters<typeof worker.queue>[0] extends MessageBatch<infer M> ? M : never;
type Env = Parameters<typeof worker.scheduled>[1];

export default {
  ...worker,
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname.startsWith("/bare/")) return bareRoutes.fetch(request, env, ctx);
    return worker.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<Env, Message>;

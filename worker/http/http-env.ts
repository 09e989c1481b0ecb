/** What every request of the edge carries in its context, and what the edge needs from outside to fill it. */
import type { Context } from "hono";
import type { Services } from "../services/services";
import type { Principal } from "../domain/accounts";
import type { FirstReadResult } from "../domain/ports";

export interface HttpVariables {
  requestId: string;
  /** The deployment's public origin, for absolute URLs: no slash at the end. */
  origin: string;
  services: Services;
  /** Who is calling; unset on routes that take the admin token. */
  principal: Principal;
  /** What the route asked to be read together with the key. */
  first: FirstReadResult;
  /** The JSON body as it came; set on routes that take one. */
  rawBody: Uint8Array;
}

// Bindings stay unknown here: only env.ts may look into them.
export interface HttpEnv {
  Bindings: object;
  Variables: HttpVariables;
}

export interface EdgeSettings {
  /** ANNEAL_PUBLIC_URL; null: the origin that the request came to. */
  publicUrl: string | null;
  /** ANNEAL_ADMIN_TOKEN; null: the admin edge is closed. */
  adminToken: string | null;
  /** ANNEAL_TRAINING_MODULE_OPEN, on a deployment that listens to its own machine alone. */
  isTrainingModuleOpen: boolean;
}

export interface EdgeDeps {
  servicesFor(c: Context<HttpEnv>): Services;
  settingsFor(c: Context<HttpEnv>): EdgeSettings;
}

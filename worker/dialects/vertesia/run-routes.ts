/** The routes of runs: those with a word before the one with an id. */
import type { Route } from "../../http/define-route";
import { cloneRunRoute } from "./routes/clone-run";
import { computeRunFacetsRoute } from "./routes/compute-run-facets";
import { createRunRoute } from "./routes/create-run";
import { findRunsRoute } from "./routes/find-runs";
import { importRunsRoute } from "./routes/import-runs";
import { listRunsRoute } from "./routes/list-runs";
import { retrieveRunRoute } from "./routes/retrieve-run";
import { searchRunsRoute } from "./routes/search-runs";

export const runRoutes: Route[] = [
  importRunsRoute,
  findRunsRoute,
  searchRunsRoute,
  computeRunFacetsRoute,
  cloneRunRoute,
  listRunsRoute,
  createRunRoute,
  retrieveRunRoute,
];

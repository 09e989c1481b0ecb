/** The Vertesia dialect (docs/dialects/vertesia.md). */
import type { Dialect } from "../../http/dialect";
import { environmentRoutes } from "./environment-routes";
import { renderVertesiaError, vertesiaError } from "./errors";
import { projectRoutes } from "./project-routes";
import { runRoutes } from "./run-routes";
import { isStrict } from "./strict";
import { tokenRoutes } from "./token-routes";
import { trainingRoutes } from "./training-routes";

export const vertesiaDialect: Dialect = {
  name: "vertesia",
  title: "Vertesia API",
  version: "20260803",
  description: "Training sessions, environments, runs and projects, as Vertesia's clients speak them.",
  credential: "key",
  errorSchema: vertesiaError,
  renderError: renderVertesiaError,
  isStrict,
  routes: [...trainingRoutes, ...environmentRoutes, ...projectRoutes, ...runRoutes, ...tokenRoutes],
};

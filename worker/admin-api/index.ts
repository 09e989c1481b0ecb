/** The private edge of whoever runs the deployment. The admin token is good here and nowhere else. */
import type { Dialect } from "../http/dialect";
import { nativeError, renderNativeError } from "../http/native-errors";
import { createAccountRoute, createPlatformTokenRoute, listAccountsRoute } from "./routes";

export const adminApi: Dialect = {
  name: "admin",
  title: "Anneal admin",
  version: "1",
  description: "For the owner of the deployment: accounts, and agents that serve all of them.",
  credential: "admin",
  errorSchema: nativeError,
  renderError: renderNativeError,
  routes: [createAccountRoute, listAccountsRoute, createPlatformTokenRoute],
};

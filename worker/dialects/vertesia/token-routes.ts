/** The routes of tokens. */
import type { Route } from "../../http/define-route";
import { getJwksRoute } from "./routes/get-jwks";
import { issueTokenRoute } from "./routes/issue-token";

export const tokenRoutes: Route[] = [issueTokenRoute, getJwksRoute];

import { credentialIn } from "../../../http/auth";
import { defineRoute } from "../../../http/define-route";
import { issuedToken, issueTokenBody } from "../token-schema";

const MS = 1000;

export const issueTokenRoute = defineRoute({
  operationId: "vertesia.issueToken",
  method: "post",
  path: "/token/issue",
  summary: "Trade an API key for a JWT",
  description:
    "The API key, or a JWT that this has given and that is not over yet, in the bearer header. The body may be empty.",
  tags: ["Tokens"],
  isPublic: true,
  body: issueTokenBody,
  bodyIsOptional: true,
  answer: { description: "Good for ten minutes, for one project, in every API.", schema: issuedToken },
  errors: ["unauthenticated", "forbidden"],
  handler: async ({ services, body, origin, request }) => {
    const { token, expiresInSeconds } = await services.issueToken({
      presented: credentialIn(request),
      key: body.key,
      type: body.type,
      accountId: body.account_id,
      projectId: body.project_id,
      audience: body.audience,
      expiresAtMs: body.expires_at === undefined ? undefined : body.expires_at * MS,
      origin,
    });
    return { token, token_type: "Bearer" as const, expires_in: expiresInSeconds };
  },
});

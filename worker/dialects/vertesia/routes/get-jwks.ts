import { KEYS_READ_AGAIN_MS } from "../../../domain/signing-keys";
import { defineRoute } from "../../../http/define-route";
import { jwks } from "../token-schema";

export const getJwksRoute = defineRoute({
  operationId: "vertesia.getJwks",
  method: "get",
  path: "/.well-known/jwks.json",
  summary: "The public keys of this deployment's JWTs",
  description: "A key is here for a quarter of an hour before it signs, and for an hour after its last token is over.",
  tags: ["Tokens"],
  isPublic: true,
  answer: { description: "A JSON Web Key Set.", schema: jwks },
  handler: async ({ services }) =>
    Response.json(
      { keys: await services.publicKeys() },
      { headers: { "cache-control": `public, max-age=${String(KEYS_READ_AGAIN_MS / 1000)}` } },
    ),
});

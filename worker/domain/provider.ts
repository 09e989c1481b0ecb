/** Where a job may ask to run. Renting is an issue of its own: until then a rented provider lacks its key by definition. */
import { invalid } from "./errors";

export const PROVIDERS = ["prime_intellect", "lambda", "runpod", "local"] as const;
export type ProviderName = (typeof PROVIDERS)[number];

const SECRET_OF: Record<Exclude<ProviderName, "local">, string> = {
  prime_intellect: "ANNEAL_PRIME_INTELLECT_API_KEY",
  lambda: "ANNEAL_LAMBDA_API_KEY",
  runpod: "ANNEAL_RUNPOD_API_KEY",
};

/** null is any: an idle agent of the account, at price 0, is the cheapest there is. */
export function checkProvider(text: string | null): ProviderName | null {
  if (text === null) return null;
  const provider = PROVIDERS.find((name) => name === text);
  if (!provider) throw invalid("provider", `unknown provider '${text}'; known: ${PROVIDERS.join(", ")}`);
  if (provider === "local") return provider;
  throw invalid(
    "provider",
    `${provider} has no key on this deployment: set the secret ${SECRET_OF[provider]}, or use 'local' with an agent of your own`,
  );
}

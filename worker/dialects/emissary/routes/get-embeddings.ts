import { invalid } from "../../../domain/errors";
import { defineRoute } from "../../../http/define-route";
import { readEmbeddings, readVectors } from "../../../http/openai-answers";
import { MAX_INFERENCE_BYTES } from "../../../http/openai-requests";
import { askModel, readModel } from "../ask-model";
import { compare } from "../compare-embeddings";
import { embeddings, embeddingsRequest as body } from "../inference-schema";

const MEASURES = ["cosine", "manhattan", "euclidean"] as const;

export const getEmbeddings = defineRoute({
  operationId: "emissary.getEmbeddingsFromDeployment",
  method: "post",
  path: "/v1/embeddings",
  scope: "write",
  summary: "Embeddings",
  description: "With `target` two embeddings and how near they are; without it OpenAI's list.",
  tags: ["Inference"],
  maxBodyBytes: MAX_INFERENCE_BYTES,
  body,
  firstReadOfBody: readModel,
  answer: { description: "Successful operation", schema: embeddings },
  errors: ["rate_limited"],
  handler: async (call) => {
    const { model, input, target, ...sent } = call.body;
    if (target === undefined || target === null) {
      const asked = MEASURES.find((name) => sent[name] === true);
      if (asked !== undefined) throw invalid(asked, "compares `input` with a `target`, which is not there");
      return readEmbeddings(await askModel(call, "embeddings", { model, body: { ...sent, input } }));
    }
    if (typeof input !== "string") throw invalid("input", "must be one text where there is a `target`");
    const pair = { ...sent, input: [input, target], encoding_format: "float" as const };
    const answered = await askModel(call, "embeddings", { model, body: pair });
    const { id, vectors } = await readVectors(answered);
    const [input_embedding = [], target_embedding = []] = vectors;
    return { id, response: { input_embedding, target_embedding, ...compare(input_embedding, target_embedding, sent) } };
  },
});

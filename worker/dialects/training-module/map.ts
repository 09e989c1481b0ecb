/** The dialect's words ⇄ the services'. */
import type { FilledModuleConfig } from "../../domain/module-config";
import type { z } from "zod";
import type { ModuleConfigChanges, ModuleParameters, ModuleView } from "../../services/module-services";
import type { ArtifactUrl, EvalResults, TrainingInfo } from "../../services/task-services";
import type { config, configChanges, importedModel, moduleStatus, monitored, parameters, results } from "./schema";

export function fromView({ state, message, importState }: ModuleView): z.infer<typeof moduleStatus> {
  return { status: state, message, import_status: importState };
}

export function fromParameters(view: ModuleParameters): z.infer<typeof parameters> {
  return { ...fromView(view), key: view.key, config: fromConfig(view.config) };
}

function fromConfig(filled: FilledModuleConfig): z.infer<typeof config> {
  return {
    model: filled.model,
    task_type: filled.taskType,
    batch_size: filled.batchSize,
    epochs: filled.epochs,
    eval_metrics: filled.evalMetrics,
    epochs_per_test_run: filled.epochsPerTestRun,
    learning_rate: filled.learningRate,
    seed: filled.seed,
    init_eval: filled.initEval,
    cache_dir: filled.cacheDir,
    overwrite_cache: filled.overwriteCache,
  };
}

/** What is absent stays absent: it is not changed. */
export function toConfigChanges(sent: z.infer<typeof configChanges>): ModuleConfigChanges {
  const changes = {
    model: sent.model,
    taskType: sent.task_type,
    batchSize: sent.batch_size,
    epochs: sent.epochs,
    evalMetrics: sent.eval_metrics,
    epochsPerTestRun: sent.epochs_per_test_run,
    learningRate: sent.learning_rate,
    seed: sent.seed,
    initEval: sent.init_eval,
    cacheDir: sent.cache_dir,
    overwriteCache: sent.overwrite_cache,
  };
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}

export function fromMonitored(view: ModuleView & { info: TrainingInfo | null }): z.infer<typeof monitored> {
  const { info } = view;
  if (info === null) return { ...fromView(view), info };
  const { step, totalSteps, epoch, metrics } = info;
  return { ...fromView(view), info: { step, total_steps: totalSteps, epoch, metrics } };
}

export function fromResults({ initial, tests }: EvalResults): z.infer<typeof results> {
  return {
    ...(initial === null ? {} : { initial }),
    tests: tests.map(({ epoch, metrics }) => ({ epoch, metrics })),
  };
}

export function fromImported(view: ModuleView & { path: string; file: ArtifactUrl }): z.infer<typeof importedModel> {
  const { url, sizeBytes, sha256, expiresAtMs } = view.file;
  const expiresAt = new Date(expiresAtMs).toISOString();
  return { ...fromView(view), path: view.path, url, size_bytes: sizeBytes, sha256, expires_at: expiresAt };
}

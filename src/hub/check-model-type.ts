import { PunieError } from "../errors.js";
import { MAX_CONFIG_BYTES, SUPPORTED_MODEL_TYPES } from "../models/config.js";
import { describe } from "../models/schema-error.js";
import type { Session } from "./download-session.js";
import type { FilePlan } from "./plan-files.js";

const CONFIG = "config.json";

/**
 * Refuses a model of a kind that can't run here before its gigabytes come: a look at config.json, when it is still to
 * be fetched. With `force`, or files chosen by `include` or `exclude`, the user has said what is wanted.
 *
 * @throws PunieError `MODEL_UNSUPPORTED`; what the Hub's answers say; the signal's reason.
 */
export async function checkModelType(session: Session, plan: FilePlan): Promise<void> {
  const { repository, options } = session;
  if (options.force || options.include || options.exclude) return;
  const config = plan.planned.find(({ path }) => path === CONFIG);
  // A larger one is refused where it is read.
  if (config === undefined || config.have === config.size || config.size > MAX_CONFIG_BYTES) return;
  const modelType = modelTypeIn(await session.client().peek(plan.commit, CONFIG, MAX_CONFIG_BYTES));
  if (modelType === undefined || SUPPORTED_MODEL_TYPES.some((type) => type === modelType)) return;
  throw new PunieError(
    "MODEL_UNSUPPORTED",
    `'${repository}' has the model_type ${describe(modelType)}, which this version of punie can't run. ` +
      `Supported: ${SUPPORTED_MODEL_TYPES.join(", ")}. To fetch it all the same: --force.`,
  );
}

/** Undefined for what isn't understood: the verified file is what counts, and is read with care. */
function modelTypeIn(text: string): string | undefined {
  try {
    const { model_type: modelType } = JSON.parse(text);
    return typeof modelType === "string" ? modelType : undefined;
  } catch {
    return undefined;
  }
}

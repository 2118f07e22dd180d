// A plan for people.

import type { ModelPlan } from '../../plan/plan-model';
import { bytesText } from '../../plan/load-progress';
import { printable } from './printable';

const VERDICTS: Readonly<Record<ModelPlan['verdict'], string>> = {
  fits: 'It fits.',
  'fits-with-less-context': 'It fits with a shorter context.',
  'does-not-fit': 'It does not fit.',
  'not-supported': 'It is not supported.',
};

/** A few lines. */
export function planText({ verdict, reason, model, download }: ModelPlan): string {
  const lines = [reason ? `${VERDICTS[verdict]} ${reason}` : VERDICTS[verdict]];
  if (model) {
    const { total, kvCache } = model.gpuBytes;
    lines.push(
      `${model.name || 'A model without a name'} (${model.architecture}, ${model.format})`,
      `Context: ${model.contextLength} of ${model.trainedContextLength} tokens`,
      `GPU memory: ${bytesText(total)}, of which the KV cache (${model.kvCacheFormat}) is ${bytesText(kvCache)}`,
    );
  }
  lines.push(`Files: ${bytesText(download.total)}, to download: ${bytesText(download.missing)}`);
  return printable(`${lines.join('\n')}\n`);
}

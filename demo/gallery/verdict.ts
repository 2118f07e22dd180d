// What a plan says of a model and this device, in words for a visitor.

import type { ModelPlan } from '../../src/index';
import { formatBytes, formatNumber } from '../dom';

/** How it looks: it fits, it fits with less, or it does not run here. */
export type VerdictKind = 'fits' | 'less' | 'not';

export interface Verdict {
  kind: VerdictKind;
  text: string;
}

export function verdictOf(plan: ModelPlan): Verdict {
  const { verdict, reason = '', model } = plan;
  if (!model) return { kind: 'not', text: `Not supported. ${reason}` };
  const needs = formatBytes(model.gpuBytes.total);
  if (verdict === 'does-not-fit')
    return { kind: 'not', text: `Does not fit this device: it needs ${needs} on the GPU. ${reason}` };
  const context = `a context of ${formatNumber(model.contextLength)} tokens`;
  const rest = [`It takes ${needs} on the GPU.`, downloadOf(plan)];
  if (verdict === 'fits') return { kind: 'fits', text: [`Fits with ${context}.`, ...rest].join(' ') };
  return { kind: 'less', text: [`Fits with ${context}.`, ...rest, reason].join(' ') };
}

function downloadOf({ download }: ModelPlan): string {
  const { missing, total, cached, uncachedReason } = download;
  if (missing === 0) return 'Nothing is left to download.';
  const left = missing < total ? ` of ${formatBytes(total)}` : '';
  const kept = cached ? '' : ` It would not be kept here: ${uncachedReason ?? 'there is no storage'}.`;
  return `${formatBytes(missing)}${left} to download.${kept}`;
}

// What the page says of the model that is loaded.

import type { ModelInfo } from '../src/index';
import { formatBytes, formatCount, formatNumber, setFacts } from './dom';

export function showFacts(list: HTMLDListElement, info: ModelInfo): void {
  const { vendor, architecture, device, description } = info.adapter;
  const { cached, reason = '' } = info.source;
  const adapter = [vendor, architecture, device, description].filter(Boolean).join(' · ');
  setFacts(list, [
    ['Name', info.name],
    ['Architecture', info.architecture],
    ['Parameters', formatCount(info.parameterCount)],
    ['Weights', info.encodings.layers],
    ['Vocabulary', `${formatNumber(info.vocabularySize)} tokens`],
    ['Context', `${formatNumber(info.contextLength)} tokens`],
    ['GPU memory', formatBytes(info.gpuBytes)],
    ['On this device', cached ? 'kept' : `not kept: ${reason}`],
    ['Adapter', adapter || 'not disclosed'],
    ['Partial sums', info.codePaths.reduction],
    ['Half precision', info.codePaths.f16],
    ['Int8 products', info.codePaths.int8Dot],
  ]);
}

// A model's speed beside what others have measured of the same model.

import { adapterName, type ModelReport, type Report } from './report';
import { decodeSpeed, prefillSpeed } from './verdict';

/** How fast an adapter runs a model; undefined where that was not measured. */
export interface Entry {
  adapter: string;
  /** Whether it is the one that is compared with the others. */
  own: boolean;
  /** Tokens a second, decoding at the least context and reading the longest prompt. */
  decode: number | undefined;
  prefill: number | undefined;
}

/** `model` on the adapter of `own`, and the models of that name in `others`; the fastest first. */
export function besideOthers(own: Report['adapter'], model: ModelReport, others: readonly Report[]): Entry[] {
  const entry = (adapter: string, isOwn: boolean, of: ModelReport): Entry => ({
    adapter,
    own: isOwn,
    decode: decodeSpeed(of)?.tokensPerSecond,
    prefill: prefillSpeed(of)?.tokensPerSecond,
  });
  const entries = others.flatMap(({ adapter, models }) =>
    models
      .filter((each) => each.model === model.model)
      .map((each) => entry(adapterName(adapter), false, each)),
  );
  return [entry(adapterName(own), true, model), ...entries].sort((a, b) => (b.decode ?? 0) - (a.decode ?? 0));
}

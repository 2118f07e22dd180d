// Whether JSON is a report as `Report` says: reports are sent in by others, and the page and this repository show them.

import { SCHEMA_VERSION } from './report';

/** What is wrong with a value: a line for each fault, with the path to it. */
type Check = (value: unknown, path: string) => string[];

const is =
  (what: string, holds: (value: unknown) => boolean): Check =>
  (value, path) =>
    holds(value) ? [] : [`${path} is no ${what}`];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Longer ones say nothing that belongs here. */
const MOST_CHARACTERS = 1000;

const text = is('text of at most 1000 characters', (value) => {
  return typeof value === 'string' && value.length <= MOST_CHARACTERS;
});
const amount = is('number of zero or more', (value) => {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
});
/** Memory may shrink. */
const number = is('number', (value) => typeof value === 'number' && Number.isFinite(value));
const flag = is('true or false', (value) => typeof value === 'boolean');
const plainVariant = is(
  'number or object',
  (value) => typeof value === 'number' || isObject(value) || typeof value === 'string',
);

const optional =
  (check: Check): Check =>
  (value, path) =>
    value === undefined ? [] : check(value, path);

const oneOf = (...values: readonly string[]): Check =>
  is(values.join(' or '), (value) => typeof value === 'string' && values.includes(value));

const list =
  (check: Check): Check =>
  (value, path) =>
    Array.isArray(value) ? value.flatMap((each, i) => check(each, `${path}[${i}]`)) : [`${path} is no list`];

const record =
  (check: Check): Check =>
  (value, path) =>
    isObject(value)
      ? Object.entries(value).flatMap(([key, each]) => check(each, `${path}.${key}`))
      : [`${path} is no object`];

/** An object with these fields and no others: nothing comes along that nobody has asked for. */
const fields =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value, path) => {
    if (!isObject(value)) return [`${path} is no object`];
    const unknown = Object.keys(value).filter((key) => !Object.hasOwn(checks, key));
    const known = Object.entries(checks).flatMap(([key, check]) => check(value[key], `${path}.${key}`));
    return [...unknown.map((key) => `${path}.${key} is no field of a report`), ...known];
  };

const timing = fields({ best: amount, median: amount, samples: amount });
const rates = { bytesPerSecond: amount, multiplyAddsPerSecond: amount, pairsPerSecond: amount };
const samples = list(fields({ variant: text, rate: amount }));

const speed: Check = (value, path) =>
  isObject(value) && 'skipped' in value
    ? fields({ tokens: amount, skipped: text })(value, path)
    : fields({
        tokens: amount,
        time: timing,
        tokensPerSecond: amount,
        floorMs: amount,
        bound: oneOf('bytes', 'dots'),
        efficiency: amount,
        efficiencyOfBest: amount,
      })(value, path);

const race = fields({
  kernel: text,
  variant: text,
  against: text,
  verdict: oneOf('faster', 'not-faster', 'undecided'),
  ratio: amount,
  spread: amount,
  pairs: amount,
  ms: optional(amount),
  againstMs: optional(amount),
});

const profile = fields({
  tokens: amount,
  context: amount,
  kernels: list(fields({ label: text, count: amount, milliseconds: amount })),
  totalMs: amount,
});

const model = fields({
  model: text,
  architecture: text,
  notes: list(text),
  date: is('day', (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value)),
  parameters: amount,
  weightEncoding: text,
  contextLength: amount,
  ceilings: fields(rates),
  load: fields({ uploadMs: amount, compileMs: amount, totalMs: amount, fileBytes: amount }),
  gpuBytes: record(amount),
  memory: optional(
    fields({
      idle: amount,
      peakLoading: amount,
      growth: optional(fields({ tokens: amount, bytes: number })),
    }),
  ),
  dispatches: fields({ decode: amount, prefill: amount }),
  variants: record(plainVariant),
  cpu: fields({ encode: timing, submit: timing }),
  step: fields({ bytes: amount, multiplyAdds: amount, rounds: optional(amount), traffic: optional(amount) }),
  tuning: optional(fields({ chosen: record(text), rejected: list(text), races: list(race) })),
  decode: list(speed),
  prefill: list(speed),
  generate: optional(
    fields({
      promptTokens: amount,
      completionTokens: amount,
      msPerToken: timing,
      prefillMs: timing,
      decodeMsPerToken: timing,
    }),
  ),
  profiles: list(profile),
});

const report = fields({
  schemaVersion: is(`schemaVersion of ${SCHEMA_VERSION}`, (value) => value === SCHEMA_VERSION),
  version: text,
  adapter: fields({ vendor: text, architecture: text, device: text, description: text }),
  environment: text,
  capabilities: fields({
    subgroups: flag,
    subgroupMinSize: amount,
    subgroupMaxSize: amount,
    shaderF16: flag,
    packedDot: flag,
    timestamps: flag,
    vendor: optional(text),
  }),
  ceilings: fields({ ...rates, bytes: samples, dots: samples, pairs: samples }),
  models: list(model),
});

/** What keeps `json` from being a report, a line for each fault; none if it is one. */
export function faultsOf(json: unknown): string[] {
  return report(json, 'report');
}

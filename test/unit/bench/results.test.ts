// The results of benchmarks that are in the repository have the shape that the page and the tables take for granted.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { adapterSlug, mergeReports, type Report, type Speed } from '../../../bench/core/report';
import { faultsOf } from '../../../bench/core/report-shape';
import { markdown, tablesOf } from '../../../bench/core/tables';
import { shareOf, verdictOf } from '../../../bench/core/verdict';

const FOLDER = 'bench/results';
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
const read = (name: string): Report => JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8')) as Report;

describe.each(names)('%s', (name) => {
  const report = read(name);

  it('is a report and nothing else', () => {
    expect(faultsOf(report)).toEqual([]);
  });

  it('is called after its adapter', () => {
    expect(name).toBe(`${adapterSlug(report.adapter)}.json`);
  });

  it('is the same as the page of Markdown beside it', () => {
    expect(readFileSync(`${FOLDER}/${name.replace('.json', '.md')}`, 'utf8')).toBe(markdown(report));
  });
});

/** A report with one model. */
const [first = ''] = names;
const report = read(first);
const [model] = report.models;
if (!model) throw new Error(`${first} has no model`);

describe('a report that is not one', () => {
  it.for<[string, unknown, string]>([
    [
      'with a field that nobody asked for',
      { ...report, email: 'a@example.org' },
      'report.email is no field of a report',
    ],
    ['of another version', { ...report, schemaVersion: 0 }, 'report.schemaVersion is no schemaVersion of 1'],
    ['without models', { ...report, models: undefined }, 'report.models is no list'],
    [
      'with a time that is none',
      {
        ...report,
        models: [{ ...model, cpu: { ...model.cpu, encode: { best: NaN, median: 1, samples: 1 } } }],
      },
      'report.models[0].cpu.encode.best is no number of zero or more',
    ],
    [
      'with a text without end',
      { ...report, environment: 'x'.repeat(1001) },
      'report.environment is no text of at most 1000 characters',
    ],
    ['that is a list', [report], 'report is no object'],
  ])('%s is refused', ([, json, fault]) => {
    expect(faultsOf(json)).toEqual([fault]);
  });
});

/** Decoding at `share` of one limit; the other one is a hundred times as far. */
function decodingAt(share: number, bound: 'bytes' | 'dots') {
  const [near, far] = [100e9, 10_000e9];
  const rates = {
    bytesPerSecond: bound === 'bytes' ? near : far,
    multiplyAddsPerSecond: bound === 'dots' ? near : far,
  };
  const best = 1000 / (share * 100);
  const speed: Speed = {
    tokens: 0,
    time: { best, median: best, samples: 1 },
    tokensPerSecond: 1000 / best,
    floorMs: share * best,
    bound,
    efficiency: share,
    efficiencyOfBest: share,
  };
  const step = { bytes: 1e9, multiplyAdds: 1e9 };
  return { ...model!, ceilings: { ...rates, pairsPerSecond: 0 }, step, decode: [speed], prefill: [] };
}

describe('the verdict', () => {
  it.for([
    [0.71, 'bytes', 'Decode reads 71 % of what this adapter can read: 71 of 100 GB/s, 71 tokens/s.'],
    [
      0.2,
      'dots',
      'Decode multiplies 20 % of what this adapter can multiply: 20 of 100 G multiply-adds/s, 20 tokens/s.',
    ],
  ] as const)('on %d of %s names the limit that is nearer', ([share, bound, sentence]) => {
    expect(verdictOf(decodingAt(share, bound))[0]).toBe(sentence);
  });

  it('says what is left, and doubts a limit that was passed', () => {
    expect(verdictOf(decodingAt(0.8, 'bytes'))[1]).toContain('near the limit, which allows 1.25 times');
    expect(verdictOf(decodingAt(0.5, 'bytes'))[1]).toContain('some way to the limit, which allows 2 times');
    expect(verdictOf(decodingAt(0.1, 'bytes'))[1]).toContain('far from the limit, which allows 10 times');
    expect(verdictOf(decodingAt(1.2, 'bytes'))[1]).toContain('run it again');
  });

  it('counts what is waited for where the kernels say it', () => {
    const counted = decodingAt(0.5, 'bytes');
    expect(verdictOf(counted).at(-1)).not.toContain('wait for memory');
    const step = { ...counted.step, rounds: 123, traffic: 2e9 };
    expect(verdictOf({ ...counted, step }).at(-1)).toContain('wait for memory 123 times');
  });

  it('is of the real reports what their efficiency says', () => {
    for (const each of report.models) {
      for (const speed of [...each.decode, ...each.prefill]) {
        if (!('skipped' in speed)) expect(shareOf(each, speed).share).toBe(speed.efficiencyOfBest);
      }
    }
  });
});

describe('the tables', () => {
  it('show what the tuner measured, rejected and left open', () => {
    const race = {
      kernel: 'k',
      variant: '2',
      against: '1',
      ratio: 0.5,
      spread: 0.021,
      pairs: 8,
      ms: 1,
      againstMs: 2,
    };
    const tuning = {
      chosen: { k: '2' },
      rejected: ['k: {"a":3}'],
      races: [
        { ...race, verdict: 'faster' as const },
        { ...race, variant: '4', pairs: 0, verdict: 'undecided' as const },
      ],
    };
    const table = tablesOf({ ...model, tuning }).find(({ title }) => title.startsWith('Variants'));
    expect(table?.rows).toEqual([
      ['k', '2', '1', '0.50', '2.1 %', '8', 'faster'],
      ['k', '4', '1', '', '', '0', 'not decided'],
      ['k', '{"a":3}', '', '', '', '', 'wrong'],
    ]);
  });
});

describe('reports of one adapter', () => {
  it('keep the models that were not measured again', () => {
    const older = { ...report, models: [{ ...model, model: 'other' }, model] };
    const newer = { ...report, models: [{ ...model, notes: ['new'] }] };
    const { models } = mergeReports(older, newer);
    expect(models.map((each) => each.model).sort()).toEqual(['other', model.model].sort());
    expect(models.find((each) => each.model === model.model)?.notes).toEqual(['new']);
  });
});

// What `npm run inspect` does: every stage of every layer beside its formula, and the right one named when a kernel is wrong.
import { describe, expect, test } from 'vitest';
import { bytesSource } from '../../src/files/byte-source';
import type { GpuContext, PipelineSpec } from '../../src/gpu/context';
import { difference, type Compared } from '../../tools/inspect/compare';
import { inspectLayers } from '../../tools/inspect/layers';
import { verdict, type Finding } from '../../tools/inspect/report';
import { loadSubject, type Subject, type SubjectOptions } from '../../tools/inspect/subject';
import { shareContext } from '../support/engine';
import { oneFile } from '../support/model-files';
import { normals } from '../support/reference';
import { smallModel, type SmallShape } from '../support/small-model';

/** More than a prefill tile has. */
const IDS = [256, 72, 101, 108, 108, 111, 44, 32, 119, 111, 114, 108, 100, 33, 10, 84, 101];
/** Widths that are no multiples of 64. */
const RAGGED = { width: 200, ffnWidth: 336, heads: 5, kvHeads: 1, headDim: 64 } as const;
/** Heads that have room behind them in the cache, and fit no subgroup. */
const NARROW_HEADS = { width: 128, ffnWidth: 192, heads: 4, kvHeads: 2, headDim: 36 } as const;
const WIDE_HEADS = { width: 256, ffnWidth: 512, heads: 4, kvHeads: 2, headDim: 128 } as const;

const BITNET: SmallShape = { ...RAGGED, architecture: 'bitnet-b1.58', encoding: 'I2_S' };

interface Loaded {
  gpu: GpuContext;
  subject: Subject;
}

async function load(
  shape: SmallShape,
  options?: SubjectOptions,
  change = (spec: PipelineSpec): PipelineSpec => spec,
): Promise<Loaded> {
  const { bytes } = await smallModel(shape);
  const gpu = await shareContext();
  const compile = gpu.pipeline.bind(gpu);
  gpu.pipeline = (spec) => compile(change(spec));
  return { gpu, subject: await loadSubject(gpu, oneFile(bytesSource(bytes)), options) };
}

async function findingsOf({ gpu, subject }: Loaded, layer?: number): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const compared of inspectLayers(subject, IDS, { layer })) {
    findings.push({ compared, difference: difference(compared) });
  }
  gpu.destroy();
  return findings;
}

function differing(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ difference: { beyond } }) => beyond > 0);
}

const nameOf = ({ layer, stage, result }: Compared): string => `${layer ?? '-'} ${stage}: ${result}`;

describe('kernels that are right', () => {
  const factors = normals(64, 5).map((value) => 1 + Math.abs(value));
  const bytes = { blocks: 2, tokens: 4, split: 1, products: 'bytes', broadcast: false } as const;
  const models: [string, SmallShape, SubjectOptions][] = [
    ['bitnet-b1.58', BITNET, {}],
    ['bitnet-b1.58, activations by bytes', BITNET, { variants: { prefillMatmul: bytes } }],
    ['bitnet', { ...NARROW_HEADS, architecture: 'bitnet', encoding: 'I2_S' }, {}],
    [
      'bitnet with a KV cache in int8',
      { ...NARROW_HEADS, architecture: 'bitnet', encoding: 'I2_S' },
      { variants: { cacheFormat: 'int8' } },
    ],
    [
      'bitnet with a scale a block',
      { ...WIDE_HEADS, architecture: 'bitnet', encoding: 'TQ2_0', variedScales: true },
      {},
    ],
    [
      'llama with an embedding in Q4_K and a head in Q6_K',
      { ...WIDE_HEADS, architecture: 'llama', encoding: 'TQ2_0', embedding: 'Q4_K', head: 'Q6_K' },
      {},
    ],
    ...(['fast', 'exact'] as const).flatMap((precision): [string, SmallShape, SubjectOptions][] => [
      [
        `llama, ${precision}`,
        { ...WIDE_HEADS, architecture: 'llama', encoding: 'TQ2_0', variedScales: true, ropeFactors: factors },
        { precision },
      ],
      [
        `qwen3, ${precision}`,
        { ...RAGGED, architecture: 'qwen3', encoding: 'Q2_0', tied: true },
        { precision },
      ],
    ]),
  ];
  test.for(models)('differ nowhere: %s', async ([, shape, options]) => {
    const findings = await findingsOf(await load(shape, options));
    expect(differing(findings).map(({ compared }) => nameOf(compared))).toEqual([]);
    // Every stage of both layers was looked at, and what is outside of them; none of them gives only zeros.
    const stages = findings.map(({ compared: { layer, stage } }) => `${layer ?? '-'} ${stage}`);
    expect(new Set(stages).size).toBe(2 * 10 + (options.precision === 'exact' ? 3 : 5));
    for (const { compared } of findings) expect(compared.expected.some((value) => value !== 0)).toBe(true);
    expect(verdict(undefined)).toContain('No stage differs');
  });

  test('one layer alone gives what it gives among all', async () => {
    const all = await findingsOf(await load(BITNET));
    const alone = await findingsOf(await load(BITNET), 1);
    const wanted = all.filter(({ compared }) => compared.layer === 1);
    expect(alone.map(({ compared }) => nameOf(compared))).toEqual(
      wanted.map(({ compared }) => nameOf(compared)),
    );
    expect(alone).toEqual(wanted);
  });
});

// Loading does not mind: kernels are not checked with known answers, or none of these would be seen.
describe('a kernel that is compiled into something else', () => {
  const flip = (spec: PipelineSpec, condition: string): PipelineSpec => {
    return { ...spec, conditions: { ...spec.conditions, [condition]: !spec.conditions?.[condition] } };
  };
  const set = (spec: PipelineSpec, name: string, value: number): PipelineSpec => {
    return { ...spec, constants: { ...spec.constants, [name]: value } };
  };
  const inLayers = (...results: string[]): string[] =>
    [0, 1].flatMap((layer) => results.map((result) => `${layer} ${result}`));
  const sabotages: [kernel: string, results: string[], sabotage: (spec: PipelineSpec) => PipelineSpec][] = [
    [
      'rms_norm_quantize',
      [
        ...inLayers(
          'attnNorm: int8 rows',
          'attnSubNorm: int8 rows',
          'ffnNorm: int8 rows',
          'ffnSubNorm: int8 rows',
        ),
        '- headNorm: int8 rows',
      ],
      (spec) => flip(spec, 'group_scale'),
    ],
    ['rope_append', inLayers('append: turned queries', 'append: cached keys'), (spec) => flip(spec, 'neox')],
    [
      'attention',
      inLayers('attention: attended'),
      (spec) => set(spec, 'SCALE', 1.001 * spec.constants!['SCALE']!),
    ],
    [
      'ternary_matmul',
      inLayers('attnOutput: x', 'ffnDown: x'),
      (spec) => (spec.conditions?.['add'] ? flip(spec, 'add') : spec),
    ],
    [
      'ternary_matmul',
      inLayers('gateUp: hidden'),
      (spec) => (spec.conditions?.['gated'] ? flip(spec, 'relu2') : spec),
    ],
    ['rms_norm', ['- outputNorm: last row'], (spec) => set(spec, 'EPSILON', 0.01)],
    ['embed', ['- embed: x'], (spec) => set(spec, 'SCALE', 1.001)],
    [
      'lm_head_int8',
      ['- exactHead: logits', '- roundedHead: logits'],
      // Half of the columns.
      (spec) => ({
        ...spec,
        constants: { ...spec.constants, SPLIT: 2 },
        conditions: { ...spec.conditions, split: false },
      }),
    ],
  ];
  test.for(sabotages)('%s is named, and only %j', async ([kernel, results, sabotage]) => {
    const isMeant = ({ shader }: PipelineSpec): boolean =>
      shader === kernel || (kernel === 'attention' && shader === 'attention_lanes');
    const loaded = await load(BITNET, {}, (spec) => (isMeant(spec) ? sabotage(spec) : spec));
    const found = differing(await findingsOf(loaded));
    expect(found.map(({ compared }) => nameOf(compared))).toEqual(results);
    const [, layer, stage, result] = /^(\S+) (\w+): (.*)$/.exec(results[0]!)!;
    const where = layer === '-' ? stage : `${stage} of layer ${layer}`;
    expect(verdict(found[0])).toBe(
      `The first that differs is ${where}: ${result}, written by ${found[0]!.compared.kernel}.`,
    );
    expect(found[0]!.compared.kernel).toContain(kernel);
  });
});

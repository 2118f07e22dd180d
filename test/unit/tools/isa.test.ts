// What is read from the driver's output, and what of it is a fault.
import { describe, expect, it } from 'vitest';
import { CHIPS } from '../../../tools/isa/chips';
import type { PipelineUse } from '../../../tools/isa/pipelines';
import { reportMarkdown, reportText } from '../../../tools/isa/report';
import { parseStatistics, type Statistics } from '../../../tools/isa/statistics';
import { faults, type Compiled } from '../../../tools/isa/verdict';

/** As Mesa 25.0.7 prints it for navi31: a line of the stub, then one pipeline. */
const RECORDED = `DRM_IOCTL_GET_CAP: unhandled 0x10
@@begin 12

Compute Shader:
*** SHADER STATS ***
Driver pipeline hash: 10129192278308471019
SGPRs: 128
VGPRs: 84
Spilled SGPRs: 0
Spilled VGPRs: 0
Code size: 8580
LDS size: 2048
Scratch size: 0
Subgroups per SIMD: 18
Combined inputs: 0
Combined outputs: 0
Hash: 1290686940
Instructions: 1093
Copies: 258
Branches: 65
Latency: 15847
Inverse Throughput: 6286
VMEM Clause: 69
SMEM Clause: 68
Pre-Sched SGPRs: 45
Pre-Sched VGPRs: 26
VOPD: 0
********************


@@end 12
`;

const GOOD: Statistics = {
  vgprs: 84,
  sgprs: 128,
  spilledSgprs: 0,
  spilledVgprs: 0,
  scratch: 0,
  lds: 2048,
  waves: 9,
  instructions: 1093,
  latency: 15847,
};

const USE: PipelineUse = {
  id: 12,
  shader: 'ternary_matmul',
  conditions: ['add'],
  phase: 'decode',
  labels: ['matmul down'],
  variants: ['decodeMatmul {"blocks":2,"split":8,"products":"bytes","broadcast":false}', 'another'],
  isFirst: true,
};

describe('the statistics of a driver', () => {
  it('are those between the marks of a pipeline, with waves of 64 lanes', () => {
    expect(parseStatistics(RECORDED)).toEqual(new Map([[12, GOOD]]));
  });

  it('are kept apart for several pipelines', () => {
    const other = RECORDED.replaceAll(' 12\n', ' 13\n').replace('Scratch size: 0', 'Scratch size: 640');
    const all = parseStatistics(RECORDED + other);
    expect([...all.keys()]).toEqual([12, 13]);
    expect(all.get(12)).toEqual(GOOD);
    expect(all.get(13)).toEqual({ ...GOOD, scratch: 640 });
  });

  it('are none of a pipeline of which nothing is said, or not to its end', () => {
    expect(() => parseStatistics('@@begin 3\n@@end 3\n')).toThrow("no 'VGPRs' of pipeline 3");
    expect(parseStatistics(RECORDED.replace('@@end 12', '')).size).toBe(0);
  });
});

describe('the verdict', () => {
  const verdict = (statistics: Partial<Statistics>, use: Partial<PipelineUse> = {}): string[] =>
    faults([{ use: { ...USE, ...use }, statistics: { ...GOOD, ...statistics } }]);

  it.each([
    [{}, []],
    [{ spilledVgprs: 3 }, ['spills 3 vector and 0 scalar registers']],
    [{ spilledSgprs: 2 }, ['spills 0 vector and 2 scalar registers']],
    [{ scratch: 64 }, ['64 bytes of scratch memory']],
    [{ waves: 8 }, []],
    [{ waves: 7 }, ['7 waves a SIMD; it should be 8']],
    [{ spilledVgprs: 1, scratch: 4 }, ['spills', 'scratch']],
  ])('on %j of a first candidate in a decode step is %j', (statistics, words) => {
    const found = verdict(statistics);
    expect(found).toHaveLength(words.length);
    words.forEach((each, i) => expect(found[i]).toContain(each));
  });

  it('names the kernel', () => {
    expect(verdict({ scratch: 64 })[0]).toContain('ternary_matmul (decode: matmul down)');
  });

  it('asks for no waves outside of decode, and for fewer of attention', () => {
    expect(verdict({ waves: 4 }, { phase: 'prefill' })).toEqual([]);
    expect(verdict({ waves: 4 }, { shader: 'attention_lanes' })).toEqual([]);
    expect(verdict({ waves: 3 }, { shader: 'attention_lanes' })).toHaveLength(1);
  });

  it('says nothing of other candidates, which the tuner has to like first', () => {
    expect(verdict({ scratch: 64, spilledVgprs: 9, waves: 1 }, { isFirst: false })).toEqual([]);
  });
});

describe('the report', () => {
  const compiled: Compiled[] = [
    { use: USE, statistics: GOOD },
    { use: { ...USE, isFirst: false, variants: [] }, statistics: { ...GOOD, latency: 77 } },
  ];
  const chip = CHIPS[0]!;
  const report = { chip, driver: 'a driver', compiled };

  it('has a line for each pipeline, with its variant in short', () => {
    const lines = reportText(report).split('\n');
    const ours = lines.find((line) => line.includes('15847'));
    expect(ours).toContain('ternary_matmul add');
    expect(ours).toContain('decodeMatmul blocks 2, split 8, products bytes, and 1 more');
    expect(lines.findIndex((line) => line.includes('Other'))).toBeLessThan(
      lines.findIndex((line) => line.includes(' 77')),
    );
  });

  it('says what is wrong, or that nothing is', () => {
    expect(reportText(report)).toContain('No first candidate spills');
    const wrong = { ...report, compiled: [{ use: USE, statistics: { ...GOOD, scratch: 8 } }] };
    expect(reportMarkdown('tiny', [wrong])).toContain('- ternary_matmul (decode: matmul down) uses 8 bytes');
  });

  it('names the command that writes it', () => {
    expect(reportMarkdown('tiny', [report])).toContain('npm run isa -- --model tiny --gpu navi31 --markdown');
  });
});

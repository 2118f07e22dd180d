// What is read from the driver's output, and what of it is a fault.
import { describe, expect, it } from 'vitest';
import { AMD, type AmdStatistics } from '../../../tools/isa/amd';
import { CHIPS } from '../../../tools/isa/chips';
import { compiledBy, type Compiled } from '../../../tools/isa/compiler';
import { INTEL } from '../../../tools/isa/intel';
import { betweenMarks } from '../../../tools/isa/marks';
import type { PipelineUse } from '../../../tools/isa/pipelines';
import { reportMarkdown, reportText } from '../../../tools/isa/report';

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

const GOOD: AmdStatistics = {
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

/** What is said between the marks of a pipeline. */
const printed = (log: string, id: number): string[] => betweenMarks(log).get(id) ?? [];

describe('the statistics of AMD’s compiler', () => {
  it('are those between the marks of a pipeline, with waves of 64 lanes', () => {
    expect([...betweenMarks(RECORDED).keys()]).toEqual([12]);
    expect(AMD.read(printed(RECORDED, 12), 12)).toEqual(GOOD);
  });

  it('are kept apart for several pipelines', () => {
    const other = RECORDED.replaceAll(' 12\n', ' 13\n').replace('Scratch size: 0', 'Scratch size: 640');
    expect([...betweenMarks(RECORDED + other).keys()]).toEqual([12, 13]);
    expect(AMD.read(printed(RECORDED + other, 12), 12)).toEqual(GOOD);
    expect(AMD.read(printed(RECORDED + other, 13), 13)).toEqual({ ...GOOD, scratch: 640 });
  });

  it('are none of a pipeline of which nothing is said, or not to its end', () => {
    expect(() => AMD.read(printed('@@begin 3\n@@end 3\n', 3), 3)).toThrow("no 'VGPRs' of pipeline 3");
    expect(betweenMarks(RECORDED.replace('@@end 12', '')).size).toBe(0);
  });
});

describe('the statistics of Intel’s compiler', () => {
  /** As Mesa 25.0.7 prints it for tgl, with some of the assembly behind it. */
  const line = (simd: number, spills: string): string =>
    `SIMD${simd} shader: 1603 instructions. 2 loops. 97938 cycles. ${spills} spills:fills, 135 sends, scheduled with mode lifo. ` +
    'Promoted 0 constants. Non-SSA regs (after NIR): 1067. Compacted 31648 to 28048 bytes (11%)';
  const PRINTED = [
    'Native code for compute shader GLSL0 (src_hash 0x00000000)',
    line(16, '32:87'),
    '   START B0 (22 cycles)',
  ];

  it('are those of its line', () => {
    expect(INTEL.read(PRINTED, 12)).toEqual({
      simd: 16,
      instructions: 1603,
      loops: 2,
      cycles: 97938,
      spills: 32,
      fills: 87,
      sends: 135,
    });
  });

  it('are those of the widest that spills nothing, if there are several, or of the widest', () => {
    expect(INTEL.read([line(8, '0:0'), line(16, '0:0'), line(32, '3:4')], 1)).toMatchObject({ simd: 16 });
    expect(INTEL.read([line(8, '1:1'), line(16, '3:4')], 1)).toMatchObject({ simd: 16, spills: 3 });
    expect(() => INTEL.read([], 7)).toThrow('nothing of pipeline 7');
  });

  it('are a fault where a first candidate spills', () => {
    const sentence = 'ternary_matmul (decode: matmul down) spills 32 registers, and fills them 87 times.';
    expect(compiledBy(INTEL, USE, PRINTED).faults).toEqual([sentence]);
    expect(compiledBy(INTEL, USE, [line(16, '0:0')]).faults).toEqual([]);
    expect(compiledBy(INTEL, { ...USE, isFirst: false }, PRINTED).faults).toEqual([]);
  });
});

/** A pipeline of which the driver prints these values. */
function compiledWith(statistics: Partial<AmdStatistics>, use: Partial<PipelineUse> = {}): Compiled {
  const compiler = { ...AMD, read: () => ({ ...GOOD, ...statistics }) };
  return compiledBy(compiler, { ...USE, ...use }, []);
}

describe('the verdict on AMD', () => {
  const verdict = (statistics: Partial<AmdStatistics>, use: Partial<PipelineUse> = {}): readonly string[] =>
    compiledWith(statistics, use).faults;

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
  const compiled = [compiledWith({}), compiledWith({ latency: 77 }, { isFirst: false, variants: [] })];
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
    const wrong = { ...report, compiled: [compiledWith({ scratch: 8 })] };
    expect(reportMarkdown('tiny', [wrong])).toContain('- ternary_matmul (decode: matmul down) uses 8 bytes');
  });

  it('names the command that writes it', () => {
    expect(reportMarkdown('tiny', [report])).toContain('npm run isa -- --model tiny --gpu navi31 --markdown');
  });
});

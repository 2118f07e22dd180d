// The shader mechanism, and that every shader compiles in every combination that an engine on this device can ask for.
import { readdirSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { shaderText } from '../../src/gpu/shader';
import { unroll } from '../../src/gpu/shader-expansion';
import { LocalEngine } from '../../src/engine/engine';
import { probeCapabilities } from '../../src/gpu/capabilities';
import { GpuContext } from '../../src/gpu/context';
import { PipelineCache } from '../../src/gpu/pipeline-cache';
import { createBlockMatrix } from '../../src/kernels/block-matrix';
import { embed } from '../../src/kernels/embed';
import { exactLmHeadBlocks, lmHeadBlocks } from '../../src/kernels/lm-head-blocks';
import { headCandidates } from '../../src/kernels/lm-head-int8';
import { transformerOf } from '../../bench/core/internals';
import { requestDevice } from '../support/dawn';
import { expectFailure } from '../support/expect-failure';
import { openContext, type FixtureOptions } from '../support/engine';
import { fixtureFiles } from '../support/model-files';
import { BLOCK_ENCODINGS } from '../support/random-blocks';

/** Lines without what surrounds them. */
const lines = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

describe('@unroll', () => {
  test('repeats its block without braces, with the index in place', () => {
    expect(lines(unroll('a; @unroll(i, 3) { x$i = $iu; } b;', {}))).toEqual([
      'a;  x0 = 0u;  x1 = 1u;  x2 = 2u;  b;',
    ]);
  });

  test('takes its count from a constant', () => {
    expect(unroll('@unroll(i, COUNT){$i,}', { COUNT: 4 })).toBe('0,1,2,3,');
  });

  test('leaves nothing for a count of zero', () => {
    expect(unroll('a@unroll(i, NONE) { x$i; }b', { NONE: 0 })).toBe('ab');
  });

  test('nests, and inner counts may be outer indices', () => {
    const nested = '@unroll(i, 3){@unroll(j, $i){[$i$j]}}';
    expect(unroll(nested, {})).toBe('[10][20][21]');
  });

  test('keeps blocks inside its block whole', () => {
    expect(unroll('@unroll(i, 2){if(a$i){b$i;}else{c$i;}}', {})).toBe(
      'if(a0){b0;}else{c0;}if(a1){b1;}else{c1;}',
    );
  });

  test('computes linear expressions of the index', () => {
    expect(unroll('@unroll(p, 3){r$(2*p)-r$(2*p+1) s$(10*p+05);}', {})).toBe('r0-r1 s5;r2-r3 s15;r4-r5 s25;');
  });

  test('does not touch the text around it, nor other indices', () => {
    expect(unroll('$j @unroll(i, 1){$j$i} $i', {})).toBe('$j $j0 $i');
  });

  test.each([
    ['@unroll(i, N) { x; }', 'N is unknown'],
    ['@unroll(i, 2) { x; { y; }', 'not closed'],
  ])('refuses %s', (text, message) => {
    expect(() => unroll(text, {})).toThrow(message);
  });
});

describe('shaderText', () => {
  test('resolves imports from shaders/lib, and writes constants into the text', async () => {
    const text = shaderText('rms_norm', { COLS: 768, THREADS: 16, EPSILON: 1e-6, HELD: 0 }, {});
    expect(text).toContain('fn reduce_sum_max');
    expect(text).toContain('struct State');
    expect(text).toMatch(/\b768\b/);
    expect(text).not.toContain('import ');
  });

  test('keeps what its conditions say, and drops the rest', async () => {
    const constants = { COLS: 8, THREADS: 8, EPSILON: 1e-6, HELD: 0 };
    const within = shaderText('rms_norm', constants, { one_subgroup: true });
    expect(within).toMatch(/^enable subgroups;/m);
    expect(within).toContain('subgroupAdd');
    expect(within).not.toContain('workgroupBarrier');
    const across = shaderText('rms_norm', constants, { one_subgroup: false });
    expect(across).not.toMatch(/enable subgroups|subgroup(Add|Max)/);
    expect(across).toContain('workgroupBarrier');
  });

  test('unrolls by the constants given', async () => {
    const constants = { COLS: 8, ROWS: 9, FIRST_ROW: 0, ROWS_PER_GROUP: 3, THREADS: 8, GROUPS_X: 3 };
    const text = shaderText('lm_head_f16', constants, {});
    expect(text).toContain('sum2');
    expect(text).not.toContain('sum3');
    expect(text).not.toContain('@unroll');
    expect(text).not.toContain('$');
  });

  test('rejects a shader that does not exist, and a constant that is missing', async () => {
    expect(() => shaderText('no_such_shader', {}, {})).toThrow('no_such_shader');
    expect(() => shaderText('ternary_matmul', { TOKENS: 1 }, {})).toThrow('is unknown');
  });
});

test('a pipeline is compiled once for each variant', async () => {
  const gpu = await openContext();
  const spec = (cols: number) => ({
    shader: 'rms_norm',
    constants: { COLS: cols, THREADS: 8, EPSILON: 1, HELD: 0 },
  });
  const [first, second, other] = await Promise.all([64, 64, 128].map((cols) => gpu.pipeline(spec(cols))));
  expect(second).toBe(first);
  expect(other).not.toBe(first);
  expect(gpu.pipelineCount).toBe(2);
  gpu.destroy();
});

test('a pipeline that comes when all was given back is told to nobody', async () => {
  const gpu = await openContext();
  const counts: number[] = [];
  gpu.onCompiled = (count) => counts.push(count);
  await gpu.pipeline({ shader: 'int8_rows' });
  expect(counts).toEqual([1]);
  const compile = vi.spyOn(gpu.device, 'createComputePipelineAsync');
  const late = gpu.pipeline({ shader: 'logprobs', constants: { THREADS: 8, MOST: 20 } });
  gpu.destroy();
  await expect(late).rejects.toMatchObject({ code: 'disposed' });
  // Nobody waits for it, but it comes.
  await Promise.all(compile.mock.results.map(({ value }) => value as Promise<GPUComputePipeline>));
  expect(compile).toHaveBeenCalledOnce();
  expect(counts).toEqual([1]);
});

/** Which shaders are compiled on a device from now on, and what the compiler has to say of them. */
function watchCompiler(device: GPUDevice) {
  const names = new Set<string>();
  const modules: GPUShaderModule[] = [];
  const createShaderModule = device.createShaderModule.bind(device);
  device.createShaderModule = (descriptor) => {
    names.add(descriptor.label ?? '');
    const module = createShaderModule(descriptor);
    modules.push(module);
    return module;
  };
  const messages = async (): Promise<string[]> => {
    const infos = await Promise.all(modules.map((module) => module.getCompilationInfo()));
    return infos.flatMap((info) => info.messages.map(({ message }) => message));
  };
  return { names, messages };
}

/** Loads the embedded model, and has all compiled that it may need. */
async function compile(context: GpuContext, headPrecision: 'int8' | 'planes' | 'f16'): Promise<void> {
  const engine = await LocalEngine.load(context, fixtureFiles('public/models/ternion-tiny-i2_s.gguf'), {
    contextLength: 64,
    tuning: false,
    headPrecision,
  });
  // What is compiled only when it is wanted: other ways to choose a token, and the head of `nextLogits`.
  const transformer = transformerOf(engine);
  await transformer.sampler({ penalties: true, random: true, masked: true }, 1);
  await transformer.encodeLogits(context.device.createCommandEncoder());
  await engine.dispose();
}

/** Has all compiled for an embedding and a head in the blocks of their file, which the embedded model does not have. */
async function compileBlocks(context: GpuContext): Promise<void> {
  const [rows, cols] = [8, 256];
  const buffer = context.createBuffer('any', cols * 4);
  for (const encoding of BLOCK_ENCODINGS) {
    const matrix = createBlockMatrix(context, encoding, { encoding, rows, cols }, 'work');
    await embed(context, matrix, buffer, buffer);
    await exactLmHeadBlocks(context, matrix, buffer, buffer);
    for (const variant of headCandidates(context.capabilities)) {
      await lmHeadBlocks(context, variant, matrix, { padded: cols, values: buffer, scales: buffer }, buffer);
    }
  }
  context.destroy();
}

/** Kinds of devices, which run different variants. */
const DEVICES: Record<string, FixtureOptions> = {
  'as the device is': {},
  // Taken for a GPU, where this is a software adapter.
  'with subgroups of 32': { capabilities: { subgroupMinSize: 32, subgroupMaxSize: 32 } },
  'without optional features and with default limits': {
    features: 'none',
    limits: 'default',
    capabilities: { packedDot: false },
  },
};

test('every shader is used on some kind of device, and compiles there without a word', async () => {
  const used = new Set<string>();
  for (const [name, { capabilities, ...options }] of Object.entries(DEVICES)) {
    const device = await requestDevice(options);
    const compiler = watchCompiler(device);
    // Models on a device share what was compiled: each pipeline once.
    const pipelines = new PipelineCache(device);
    const found = await probeCapabilities(device, capabilities);
    const context = (): GpuContext => new GpuContext(device, found, undefined, pipelines);
    await compile(context(), 'int8');
    await compile(context(), 'planes');
    await compile(context(), 'f16');
    await compileBlocks(context());
    expect(await compiler.messages(), name).toEqual([]);
    for (const shader of compiler.names) used.add(shader);
  }
  const files = readdirSync(new URL('../../shaders/', import.meta.url))
    .filter((file) => file.endsWith('.wgsl'))
    .map((file) => file.replace('.wgsl', ''));
  // Others are compiled too, such as the trial of a language feature, which has no name.
  expect(files.filter((file) => !used.has(file))).toEqual([]);
});

test('a shader that does not compile is an error that names it and the line', async () => {
  const gpu = await openContext();
  // An array of more threads than WGSL allows.
  const constants = { COLS: 64, THREADS: 1_000_000, EPSILON: 1, HELD: 0 };
  gpu.device.pushErrorScope('validation');
  await expectFailure(
    gpu.pipeline({ shader: 'rms_norm', constants }),
    'internal',
    /rms_norm .* line \d+: .*\n[^]*> +\d+ \| /,
  );
  // Told once, not as an error of the device too.
  expect(await gpu.device.popErrorScope()).toBeNull();
  gpu.destroy();
});

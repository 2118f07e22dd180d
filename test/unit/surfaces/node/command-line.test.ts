// What can be written behind `ternion`, and what the terminal shows.
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import type { ModelPlan } from '../../../../src/plan/plan-model';
import { chat } from '../../../../src/surfaces/node/chat';
import { readCommand, UsageError } from '../../../../src/surfaces/node/command-line';
import { planText } from '../../../../src/surfaces/node/plan-text';
import { bytesText } from '../../../../src/plan/load-progress';
import { ProgressLine, progressText } from '../../../../src/surfaces/node/progress-line';
import { SteppedEngine } from '../../../support/stepped-engine';

describe('a command', () => {
  test('has a model and options', () => {
    expect(readCommand(['serve', 'model.gguf', '--port', '9000', '--origin', 'a', '--origin', 'b'])).toEqual({
      name: 'serve',
      model: 'model.gguf',
      options: {
        port: 9000,
        host: '127.0.0.1',
        origins: ['a', 'b'],
        sessions: undefined,
        contextLength: undefined,
        temperature: undefined,
        json: false,
      },
    });
    expect(readCommand(['chat', '--context=512', 'hf:a/b/c.gguf', '--temperature', '0.7'])).toMatchObject({
      name: 'chat',
      model: 'hf:a/b/c.gguf',
      options: { contextLength: 512, temperature: 0.7 },
    });
    expect(readCommand([])).toBe('help');
    expect(readCommand(['serve', '--help'])).toBe('help');
  });

  test.each([
    [['sing', 'x'], 'sing'],
    [['serve'], 'needs a model'],
    [['serve', 'a', 'b'], 'b'],
    [['serve', 'a', '--port', 'many'], '--port'],
    [['serve', 'a', '--port', '70000'], '--port'],
    [['serve', 'a', '--port', '1.5'], '--port'],
    [['chat', 'a', '--temperature', ''], '--temperature'],
    [['serve', 'a', '--speed', '9'], '--speed'],
  ])('%j is refused', (words, named) => {
    expect(() => readCommand(words)).toThrow(UsageError);
    expect(() => readCommand(words)).toThrow(named);
  });
});

describe('the line of progress', () => {
  test('has a bar of the whole, and what goes on', () => {
    expect(progressText({ fraction: 1 / 3, text: 'Downloading 400 MB of 1.20 GB, 67 s left' })).toBe(
      `${'█'.repeat(8)}${'░'.repeat(16)}  33 %  Downloading 400 MB of 1.20 GB, 67 s left`,
    );
    expect(progressText({ fraction: 1, text: 'Ready' })).toBe(`${'█'.repeat(24)} 100 %  Ready`);
  });

  test('is written over itself on a terminal, and not at all elsewhere', () => {
    for (const isTTY of [true, false]) {
      const written: string[] = [];
      const line = new ProgressLine({ isTTY, write: (each: string) => written.push(each) });
      const progress = { phase: 'compile', loaded: 1, total: 0, fraction: 0.5, text: 'Preparing' } as const;
      line.show(progress);
      line.show({ ...progress, loaded: 2 });
      line.clear();
      line.clear();
      expect(written).toHaveLength(isTTY ? 2 : 0);
      if (isTTY) expect(written[1]).toBe('\r\x1b[K');
    }
  });

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1446080, '1.45 MB'],
    [12e12, '12.0 TB'],
    [12e15, '12000 TB'],
  ])('%d bytes are %s', (bytes, shown) => expect(bytesText(bytes)).toBe(shown));
});

test('a plan for people', () => {
  const plan: ModelPlan = {
    verdict: 'fits-with-less-context',
    reason: 'The KV cache of 4096 tokens is too large.',
    code: undefined,
    download: { total: 1.2e9, missing: 1.2e9, cached: false, uncachedReason: undefined },
    storage: undefined,
    limits: { maxBufferSize: 1, maxStorageBufferBindingSize: 1, memoryBudget: undefined },
    model: {
      format: 'gguf',
      architecture: 'bitnet-b1.58',
      name: 'A model',
      trainedContextLength: 4096,
      wantedContextLength: 4096,
      contextLength: 2048,
      kvCacheFormat: 'f16',
      gpuBytes: { layers: 1, embedding: 1, head: 1, work: 1, kvCache: 3e8, total: 1.1e9 },
    },
  };
  expect(planText(plan)).toBe(
    'It fits with a shorter context. The KV cache of 4096 tokens is too large.\n' +
      'A model (bitnet-b1.58, gguf)\n' +
      'Context: 2048 of 4096 tokens\n' +
      'GPU memory: 1.10 GB, of which the KV cache (f16) is 300 MB\n' +
      'Files: 1.20 GB, to download: 1.20 GB\n',
  );
  expect(planText({ ...plan, verdict: 'not-supported', reason: 'It is a mamba.', model: undefined })).toMatch(
    /^It is not supported. It is a mamba.\nFiles/,
  );
  // Names are those that a file has: nothing in them is a command of the terminal.
  const titled = { ...plan, model: plan.model && { ...plan.model, name: 'A\x1b]0;title\x07\x9b5m model' } };
  expect(planText(titled)).toContain('\nA\uFFFD]0;title\uFFFD\uFFFD5m model (bitnet');
});

test('a conversation: a line in, an answer out, each with those before it', async () => {
  const engine = new SteppedEngine(({ promptIds }) => [`${promptIds.length}`, '!']);
  const output = new PassThrough();
  await chat(engine, { input: Readable.from(['Hi\n', '\n', 'Again\n']), output, interactive: false });
  output.end();
  const first = 'user: Hi\nassistant: '.length;
  const second = `user: Hi\nassistant: ${first}!\nuser: Again\nassistant: `.length;
  expect(await text(output)).toBe(`${first}!\n${second}!\n`);
  expect(engine.requests[0]!.options).toMatchObject({ temperature: 0 });
  expect(engine.sessions[0]!.disposed).toBe(true);
});

test('what a model says is text, and no command of the terminal', async () => {
  const engine = new SteppedEngine(() => ['\x1b', ']52;c;cm0=\x07', '👩‍🚀\n\tнет\r']);
  const output = new PassThrough();
  await chat(engine, { input: Readable.from(['Hi\n']), output, interactive: false });
  output.end();
  expect(await text(output)).toBe('\uFFFD]52;c;cm0=\uFFFD👩‍🚀\n\tнет\uFFFD\n');
});

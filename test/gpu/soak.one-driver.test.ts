// What the soak does to an engine: on one that is sound it finds nothing, and what is wrong it finds.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/boundary/in-thread';
import type { Engine } from '../../src/engine/types';
import { ACTIONS, noActions, type ActionFigures, type Stage } from '../../tools/soak/actions';
import { CountedDevice } from '../../tools/soak/device';
import { askUndisturbed, readQuestions, type Known } from '../../tools/soak/models';
import { Draw } from '../../tools/fuzz/draw';
import { requestDevice } from '../support/dawn';
import { TINY } from '../support/watched-engine';

let device: CountedDevice;
let engine: Engine;
let known: Known;

beforeAll(async () => {
  device = new CountedDevice(await requestDevice());
  engine = await loadModel(readFileSync(new URL(`../../${TINY}`, import.meta.url)), {
    device: device.device,
    tuning: false,
    contextLength: 256,
  });
  known = await askUndisturbed(engine, (await readQuestions()).slice(0, 1));
});

afterAll(async () => {
  await engine.dispose();
  await device.destroy();
});

function stage(changes: Partial<Stage> = {}): Stage & { figures: ActionFigures } {
  return {
    engine,
    known,
    figures: noActions(),
    draw: Draw.of(1, 'test', 0),
    isDisturbed: () => false,
    lostDevice: () => false,
    ...changes,
  };
}

describe('on a sound engine', () => {
  it.each(Object.keys(ACTIONS))('%s finds nothing, and leaves nothing on the device', async (name) => {
    const { bytes } = device;
    await ACTIONS[name]!(stage());
    // Uniforms of steps that were not taken before stay: some bytes each. A session's cache would be hundreds of kilobytes.
    expect(device.bytes - bytes).toBeLessThan(10_000);
  });

  it('what is on the device is counted as the engine counts it', () => {
    expect(device.bytes).toBe(engine.info.gpuBytes);
    expect(device.buffers).toBeGreaterThan(10);
  });
});

describe('a difference is found', () => {
  it('in the text of an answer, and in its tokens', async () => {
    const [answer] = known.answers;
    const otherText = { ...known, answers: [{ ...answer!, text: `${answer!.text}.` }] };
    await expect(ACTIONS['known']!(stage({ known: otherText }))).rejects.toThrow('The answer differs');
    const otherIds = { ...known, answers: [{ ...answer!, tokenIds: answer!.tokenIds.with(3, 5) }] };
    await expect(ACTIONS['known']!(stage({ known: otherIds }))).rejects.toThrow('The answer differs');
  });

  it('in the last bit of a logit', async () => {
    const values = known.logits.values.slice();
    const bits = new Uint32Array(values.buffer);
    bits[7]! ^= 1;
    const other = { ...known, logits: { ...known.logits, values } };
    await expect(ACTIONS['logits']!(stage({ known: other }))).rejects.toThrow(/^Logit 7 is/);
  });
});

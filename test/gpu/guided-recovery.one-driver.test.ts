// A guided answer in turns on the GPU: devices are lost and given back, and waits for the guide are ended.
import { afterEach, beforeAll, expect, test } from 'vitest';
import { RequestQueue } from '../../src/engine/request-queue';
import { Residence, type Reloader } from '../../src/engine/residence';
import { Resident } from '../../src/engine/resident';
import { resolveOptions, type SamplingOptions } from '../../src/engine/sampling';
import { TokenRun } from '../../src/engine/token-run';
import type { Continuation } from '../../src/inference/continuation';
import { KvCache } from '../../src/inference/kv-cache';
import type { TokenGuide } from '../../src/inference/token-guide';
import type { ModelFile } from '../../src/model/model-file';
import { choosePrecisions, readModel } from '../../src/plan/read-model';
import { openContext } from '../support/engine';
import { expectFailure } from '../support/expect-failure';
import { guideOf, mixedRule } from '../support/guides';
import { fixtureFiles } from '../support/model-files';
import { STORY } from '../support/sessions';
import { TINY } from '../support/watched-engine';

/** More than the prompt and the answers below. */
const CONTEXT = 256;
const LENGTH = 16;
const PENALISED = { temperature: 1, seed: 3, frequencyPenalty: -1, repetitionPenalty: 1.1 };
const NEVER = new AbortController().signal;

let model: ModelFile;
beforeAll(async () => {
  ({ model } = await readModel(fixtureFiles(TINY)));
});

/** The embedded model, on one device after the other. */
class Home {
  readonly #caches = new WeakMap<Resident, Promise<KvCache>>();

  private constructor(
    private readonly queue: RequestQueue,
    readonly residence: Residence,
  ) {}

  static async open(): Promise<Home> {
    const load = async (): Promise<Resident> => {
      const placement = { ...choosePrecisions(model, {}), contextLength: CONTEXT };
      return Resident.load(await openContext(), model, placement, { tuner: { budgetMs: 0 } });
    };
    const reloader: Reloader = { renewable: true, load, discard: () => {}, release: () => {} };
    const queue = new RequestQueue();
    return new Home(queue, new Residence(await load(), queue, reloader));
  }

  run(continuation: Continuation, guide: TokenGuide): TokenRun {
    return new TokenRun(
      this.queue,
      this.residence,
      continuation,
      (resident) => this.cacheOn(resident),
      guide,
    );
  }

  cacheOn(resident: Resident): Promise<KvCache> {
    const { gpu, transformer } = resident;
    const made =
      this.#caches.get(resident) ??
      KvCache.create(gpu, model.config, CONTEXT, transformer.variants.cacheFormat);
    this.#caches.set(resident, made);
    return made;
  }

  async lose(): Promise<void> {
    const { device } = this.residence.latest.gpu;
    device.destroy();
    await device.lost;
  }
}

function continuationOf(options: SamplingOptions = {}): Continuation {
  const sampling = resolveOptions(options, model.config.vocabularySize);
  return { promptIds: STORY.promptIds, sampled: [], sampling, limit: LENGTH };
}

const guide = (): TokenGuide => guideOf(mixedRule(model.config.vocabularySize, 12));

/** Takes all tokens, and does `between` after each. */
async function takeAll(
  run: TokenRun,
  between: (count: number) => Promise<void> = async () => {},
): Promise<void> {
  await run.enter(NEVER);
  for (let count = 1; await run.ready(NEVER); count++) {
    run.take();
    await between(count);
  }
  await run.end();
}

/** A guide that never answers when it is asked the first time about an answer of `count` tokens or more. */
function stuckAt(count: number, onStuck: () => void): TokenGuide {
  const usual = guide();
  let isStuck = false;
  return {
    after(ids) {
      if (ids.length < count || isStuck) return usual.after(ids);
      isStuck = true;
      onStuck();
      return new Promise(() => {});
    },
  };
}

async function undisturbed(options?: SamplingOptions): Promise<number[]> {
  const home = await Home.open();
  const continuation = continuationOf(options);
  await takeAll(home.run(continuation, guide()));
  await home.residence.destroy();
  return continuation.sampled;
}

let home: Home | undefined;
afterEach(() => home?.residence.destroy());

test.each([{}, PENALISED])('is the same where the device is lost now and then: %j', async (options) => {
  home = await Home.open();
  const own = home;
  const continuation = continuationOf(options);
  let amidForced = 0;
  await takeAll(own.run(continuation, guide()), async (count) => {
    const isAmid = amidForced === 0 && (continuation.forced?.length ?? 0) > 0;
    if (isAmid) amidForced++;
    if (isAmid || count === 2 || count === 11) await own.lose();
  });
  expect(amidForced).toBe(1);
  expect(continuation.sampled).toEqual(await undisturbed(options));
});

test('is the same where the device is lost while the guide is asked', async () => {
  home = await Home.open();
  const own = home;
  const usual = guide();
  let isLost = false;
  const losing: TokenGuide = {
    async after(ids) {
      if (!isLost) await own.lose();
      isLost = true;
      return usual.after(ids);
    },
  };
  const continuation = continuationOf(PENALISED);
  await takeAll(own.run(continuation, losing));
  expect(continuation.sampled).toEqual(await undisturbed(PENALISED));
});

test('is the same where the model is put aside while the guide is asked', async () => {
  home = await Home.open();
  const own = home;
  let suspended: Promise<void> | undefined;
  const continuation = continuationOf();
  const pressing = (): void => {
    suspended = own.residence.suspend().then(() => own.residence.wake());
  };
  const run = own.run(continuation, stuckAt(3, pressing));
  await takeAll(run);
  await suspended;
  expect(suspended).toBeDefined();
  expect(continuation.sampled).toEqual(await undisturbed());
});

test('ends with an abort while the guide is asked, and the cache keeps what was evaluated', async () => {
  home = await Home.open();
  const control = new AbortController();
  const continuation = continuationOf();
  const run = home.run(
    continuation,
    stuckAt(3, () => control.abort()),
  );
  await run.enter(control.signal);
  const rest = async (): Promise<void> => {
    while (await run.ready(control.signal)) run.take();
  };
  await expectFailure(rest(), 'aborted');
  await run.end();
  const { sampled } = continuation;
  expect(sampled.length).toBeGreaterThanOrEqual(3);
  expect((await home.cacheOn(home.residence.latest)).tokenIds).toEqual([...STORY.promptIds, ...sampled]);
});

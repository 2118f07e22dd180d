// A session that begins with a conversation, in a worker: the worker knows it before it is first asked for anything.
import { expose } from 'comlink';
import { afterEach, expect, test } from 'vitest';
import { RemoteEngine, type RemoteSession } from '../../../src/api/remote-engine';
import { WorkerLink } from '../../../src/api/worker-link';
import { WorkerEndpoint } from '../../../src/worker/endpoint';
import { collect } from '../../support/collect';
import { FormulaEngine, Machine } from '../../support/formula-engine';

const start = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hello' },
  { role: 'assistant', content: 'Hi' },
];
const roles = ({ messages }: Pick<RemoteSession, 'messages'>): string =>
  messages.map(({ role }) => role[0]).join('');

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** An engine behind the protocol of a worker, which is in this thread. */
async function load(): Promise<RemoteEngine> {
  const { port1, port2 } = new MessageChannel();
  const ended = new AbortController();
  expose(new WorkerEndpoint({ engine: new FormulaEngine(new Machine(), ended.signal) }), port2);
  const close = (): void => {
    ended.abort();
    port1.close();
  };
  const engine = await RemoteEngine.load(
    await WorkerLink.join(port1, close),
    'https://example.com/model',
    {},
  );
  ends.push(() => engine.dispose());
  return engine;
}

test('the page has it at once, and the first answer goes on with it', async () => {
  const session = (await load()).createSession(start);
  expect(session.messages).toEqual(start);
  await collect(session.send('Ten?'));
  expect(roles(session)).toBe('suaua');
  expect(session.messages.slice(0, 3)).toEqual(start);
  await collect(session.send('Eleven?'));
  expect(roles(session)).toBe('suauaua');
});

test('a copy, a step back and a saved session before any answer have it too', async () => {
  const engine = await load();
  const copy = await engine.createSession(start).fork();
  expect(copy.messages).toEqual(start);
  const back = engine.createSession(start);
  await back.rewind({ turns: 1 });
  expect(back.messages).toEqual(start.slice(0, 1));
  await collect(back.send('Hello again'));
  expect(roles(back)).toBe('sua');
  const restored = await engine.restoreSession(await engine.createSession(start).save());
  expect(restored.messages).toEqual(start);
});

test('sessions do not share it, and one that is disposed of unused leaves nothing behind', async () => {
  const engine = await load();
  await engine.createSession(start).dispose();
  const [one, other] = [engine.createSession(start), engine.createSession()];
  await Promise.all([collect(one.send('x')), collect(other.send('y'))]);
  expect([roles(one), roles(other)]).toEqual(['suaua', 'ua']);
});

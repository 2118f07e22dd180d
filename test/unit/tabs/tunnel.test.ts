// Ports between two tabs: messages, ports that are posted, and their ends.
import { expose, proxy, wrap } from 'comlink';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Tunnel, type TabPort } from '../../../src/tabs/tunnel';
import { sleep, until } from '../../support/wait';

let here: Tunnel;
let there: Tunnel;
beforeEach(() => {
  const name = crypto.randomUUID();
  here = new Tunnel(new BroadcastChannel(name), 'caller');
  there = new Tunnel(new BroadcastChannel(name), 'called');
});
afterEach(() => {
  here.close();
  there.close();
});

/** What comes out of a port. */
function heard(port: Pick<TabPort, 'onmessage'>): unknown[] {
  const messages: unknown[] = [];
  port.onmessage = ({ data }) => messages.push(data);
  return messages;
}

test('messages arrive in order, and only on the other side', async () => {
  const [mine, theirs] = [heard(here.port), heard(there.port)];
  for (let i = 0; i < 5; i++) here.port.postMessage({ i, ids: Uint32Array.of(i) });
  there.port.postMessage('back');
  await until(() => theirs.length === 5 && mine.length === 1);
  expect(theirs).toEqual([0, 1, 2, 3, 4].map((i) => ({ i, ids: Uint32Array.of(i) })));
  expect(mine).toEqual(['back']);
});

test('a port that is posted leads to where it came from, however deep it stands in a message', async () => {
  const { port1, port2 } = new MessageChannel();
  const messages = heard(there.port);
  const answers = heard(port1);
  here.port.postMessage({ list: [{ port: port2 }, 'x'], bytes: Uint8Array.of(1) }, [port2]);
  await until(() => messages.length === 1);
  const [message] = messages as [{ list: [{ port: TabPort }, string]; bytes: Uint8Array }];
  expect([message.list[1], message.bytes]).toEqual(['x', Uint8Array.of(1)]);
  const { port } = message.list[0];
  const received = heard(port);
  port.postMessage('to you');
  await until(() => answers.length === 1);
  port1.postMessage('to you too');
  await until(() => received.length === 1);
  expect([answers, received]).toEqual([['to you'], ['to you too']]);
  port.close();
  await sleep(20);
  port1.postMessage('nobody hears this');
  await sleep(20);
  expect(received).toHaveLength(1);
  port1.close();
});

test('Comlink speaks through it, callbacks and ports that are returned included', async () => {
  const api = {
    count: (to: number, onCount: (i: number) => void) => {
      for (let i = 1; i <= to; i++) onCount(i);
      return to;
    },
  };
  expose(api, there.port);
  const remote = wrap<typeof api>(here.port);
  const counts: number[] = [];
  expect(
    await remote.count(
      3,
      proxy((i: number) => void counts.push(i)),
    ),
  ).toBe(3);
  await until(() => counts.length === 3);
  expect(counts).toEqual([1, 2, 3]);
});

test('what cannot be copied is refused at once; after the end, all is silence', async () => {
  const theirs = heard(there.port);
  expect(() => here.port.postMessage(() => {})).toThrow(/could not be cloned/);
  here.close();
  here.port.postMessage('too late');
  await sleep(20);
  expect(theirs).toEqual([]);
});

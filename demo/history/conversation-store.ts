// Conversations of earlier visits, in IndexedDB: on this device and nowhere else. Where a page may keep nothing, as in some private
// windows, nothing is kept and nothing fails.

import type { ChatMessage } from '../../src/index';
import type { Settings } from '../conversation';

/** A conversation as it is kept. */
export interface KeptConversation {
  id: string;
  /** Its first question. */
  title: string;
  /** The name of the model that gave the last answer. */
  model: string;
  /** When that was, in milliseconds since 1970. */
  changedAt: number;
  settings: Settings;
  /** What was said, with the system prompt if there was one. */
  messages: ChatMessage[];
}

const DATABASE = 'ternion-demo';
const STORE = 'conversations';

export class ConversationStore {
  #database: Promise<IDBDatabase> | undefined;

  /** @param factory where databases are; undefined where there are none. */
  constructor(private readonly factory: IDBFactory | undefined) {}

  /** All conversations, the newest first; none where nothing can be kept. */
  async all(): Promise<KeptConversation[]> {
    const found = await this.#with('readonly', (store) => store.getAll() as IDBRequest<KeptConversation[]>);
    return (found ?? []).toSorted((a, b) => b.changedAt - a.changedAt);
  }

  async put(conversation: KeptConversation): Promise<void> {
    await this.#with('readwrite', (store) => store.put(conversation));
  }

  async delete(id: string): Promise<void> {
    await this.#with('readwrite', (store) => store.delete(id));
  }

  async clear(): Promise<void> {
    await this.#with('readwrite', (store) => store.clear());
  }

  /** What a request gives; undefined if there is no database, or it refuses. */
  async #with<Result>(
    mode: IDBTransactionMode,
    ask: (store: IDBObjectStore) => IDBRequest<Result>,
  ): Promise<Result | undefined> {
    if (!this.factory) return undefined;
    try {
      this.#database ??= openDatabase(this.factory);
      const database = await this.#database;
      return await settled(ask(database.transaction(STORE, mode).objectStore(STORE)));
    } catch {
      this.#database = undefined;
      return undefined;
    }
  }
}

function openDatabase(factory: IDBFactory): Promise<IDBDatabase> {
  const request = factory.open(DATABASE, 1);
  request.addEventListener('upgradeneeded', () => request.result.createObjectStore(STORE, { keyPath: 'id' }));
  return settled(request);
}

function settled<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error ?? new Error('The database failed.')));
  });
}
